import { follow, render } from './app.js';

const seeds = new URLSearchParams(location.search).getAll('seed');
const app = document.getElementById('app');
// What the server rendered stays until there is more to say.
await follow({ network: 'dev', seeds, storage: 'camelid-example' }, (status) => {
  app.innerHTML = render(status);
});
