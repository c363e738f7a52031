import { open } from './camelidcoin/index.js';

const seeds = new URLSearchParams(location.search).getAll('seed');
const status = document.getElementById('status');

try {
  const client = await open({ network: 'dev', seeds, storage: 'camelid-example' });
  const show = () => {
    const { sync, height, peers } = client.status();
    status.textContent = `${sync.state}: block ${height}, ${peers.length} nodes, wallet ${client.wallet}`;
  };
  client.onChange(show);
  show();
} catch (error) {
  status.textContent = `${error.code}: ${error.message}`;
}
