// What a page loads stays small.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { built } from './harness/index.js';

const MOST = 1_200_000;

test('the worker without GPU has at most 1.2 MB, compressed', () => {
  const wasm = readFileSync(join(built(), 'worker/camelid_web_worker_bg.wasm'));
  const script = readFileSync(join(built(), 'worker/camelid_web_worker.js'));
  const size = gzipSync(wasm, { level: 9 }).length + gzipSync(script, { level: 9 }).length;
  console.log(`worker: ${wasm.length} B of WASM, with its JavaScript ${size} B compressed`);
  assert.ok(size <= MOST, `${size} B, at most ${MOST} allowed`);
});
