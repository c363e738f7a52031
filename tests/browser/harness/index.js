// A server and a browser for one file of tests: `const harness = await start(); ... await harness.stop()`.

import { fileURLToPath } from 'node:url';
import { serve } from './server.js';
import { onPage, startBrowser } from './browser.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const folder = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests with make test-browser`);
  return value;
};

/** Where the built modules lie, the models and the expectations. */
export const built = () => folder('CAMELID_WEB');
export const vectors = () => folder('CAMELID_VECTORS');

/** Starts both. `folders` are served beside the usual ones under `policy`, `flags` are given to Chromium. */
export async function start({ folders = {}, flags = [], policy } = {}) {
  const usual = { '/': here('../page/'), '/js/': here('../../../web-client/js/'), '/web/': built() };
  const server = await serve({ ...usual, ...folders }, { policy });
  const browser = await startBrowser({ flags });
  return {
    url: server.url,
    browser,
    /** Opens a page (a path of the server, the empty page if left out) and runs `use(page)` on it. */
    onPage: (use, path = '/') => onPage(browser, server.url + path, use),
    async stop() {
      await browser.close();
      await server.close();
    },
  };
}
