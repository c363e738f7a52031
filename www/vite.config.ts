import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { offline } from './offline.js';

const here = (path: string) => new URL(path, import.meta.url).pathname;

export default defineConfig({
  root: here('.'),
  // The page may lie in any folder of a server.
  base: './',
  resolve: { alias: { camelidcoin: here('../web-client/js/index.js') } },
  plugins: [svelte(), offline(here('src/service-worker.js'))],
  worker: { format: 'es' },
  build: {
    // The first versions that know light-dark(), so that both themes stay one set of colours.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // Small files become files too: the page's security policy allows no data URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
