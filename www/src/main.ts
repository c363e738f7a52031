import { mount } from 'svelte';
import App from './App.svelte';
import { app } from './lib/app.svelte.ts';
import { warnBeforeClosing } from './lib/closing.ts';
import { update } from './lib/update.svelte.ts';
import './style/colours.css';
import './style/base.css';
import './style/controls.css';

mount(App, { target: document.getElementById('app')! });
warnBeforeClosing();
void app.start().then(() => {
  // Once all is loaded, so that all of it is kept. Without a service worker the page works, only not without a network.
  if (import.meta.env.PROD && 'serviceWorker' in navigator) update.watch().catch(() => {});
});
