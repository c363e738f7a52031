// The page that a node serves, on WebGPU: the checks of a right answer and of one with a wrong token say so. Needs the page as it
// is built with the GPU engine, and a node with that page.

import { before, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { built } from '../harness/index.js';
import { startNetwork } from '../page-tests/network.js';
import { openBrowser } from '../page-tests/visitor.js';

// Adapters in software take half a second a token.
const LIMIT = 6;
const ON_GPU = /Computed again in this page, on your GPU \(WebGPU\)/;

before(() => {
  assert.ok(existsSync(join(built(), 'package/gpu')), 'the package has no GPU engine: run sh scripts/wasm-gpu.sh, make www');
});

/** Runs in the page before its scripts: without a GPU in the machine its stand-in does, which the page would leave alone. */
function passForHardware() {
  if (globalThis.GPUAdapterInfo) {
    Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
  }
}

/** The badge on the first answer that a newcomer gets from a network whose nodes cheat so. */
async function firstBadge(cheat) {
  const network = await startNetwork({ cheat });
  const browser = await openBrowser({ flags: ['--enable-unsafe-webgpu'] });
  try {
    const visitor = await browser.visit(network.url, { init: passForHardware });
    await visitor.begin(network.model);
    await visitor.ask('Once', { limit: LIMIT });
    const badge = await visitor.badge();
    await visitor.leave();
    return badge;
  } finally {
    await browser.close();
    await network.stop();
  }
}

test('a right answer is checked on WebGPU', { timeout: 900_000 }, async () => {
  const badge = await firstBadge();
  assert.match(badge, ON_GPU);
  assert.match(badge, /All \d+ tokens are the model’s|The one token is the model’s/);
});

test('a wrong token is found on WebGPU', { timeout: 900_000 }, async () => {
  const badge = await firstBadge('alter-token');
  assert.match(badge, ON_GPU);
  assert.match(badge, /This is not the model’s answer/);
});
