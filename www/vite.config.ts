import { svelte } from '@sveltejs/vite-plugin-svelte';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vite';
import { offline } from './offline.js';

const here = (path: string) => new URL(path, import.meta.url).pathname;

// The package as scripts/package.sh assembles it, by the same rules as scripts/env.sh.
const { CAMELID_PACKAGE, CARGO_TARGET_DIR, CAMELID_CACHE, XDG_CACHE_HOME } = process.env;
const cache = CAMELID_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'camelid');
const camelidcoin = CAMELID_PACKAGE || join(CARGO_TARGET_DIR || join(cache, 'target'), 'web/package');
if (!existsSync(join(camelidcoin, 'index.js'))) {
  throw new Error(`no package camelidcoin in ${camelidcoin}: run sh scripts/wasm.sh, then sh scripts/package.sh`);
}

export default defineConfig({
  root: here('.'),
  // The page may lie in any folder of a server.
  base: './',
  resolve: { alias: { camelidcoin: join(camelidcoin, 'index.js') } },
  server: { fs: { allow: [here('.'), camelidcoin] } },
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
