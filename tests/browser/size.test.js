// What a page loads stays small. Sizes are those of the files compressed one by one, as servers send them.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { built } from './harness/index.js';

/** The files under `folder` whose paths fit, with their sizes compressed. */
function sizes(folder, fits) {
  const names = readdirSync(join(built(), folder), { recursive: true }).filter((name) => fits.test(name));
  return names.map((name) => [name, gzipSync(readFileSync(join(built(), folder, name)), { level: 9 }).length]);
}

function check(what, files, most) {
  const size = files.reduce((sum, [, size]) => sum + size, 0);
  console.log(`${what}: ${size} B compressed, in ${files.length} files`);
  const list = files.map(([name, size]) => `${size} ${name}`).join(', ');
  assert.ok(size <= most, `${what}: ${size} B, at most ${most} allowed: ${list}`);
}

// The bar is 600 kB: docs/performance.md says what the module weighs. Until it is reached, it must not grow.
const FIRST_LOAD = 980_000;

test('the first load of the page does not grow, compressed', () => {
  // The page, its styles, its scripts and the small module; what computes and the icons come later.
  const files = sizes('www', /^(index\.html|assets\/.*\.(js|css|wasm))$/);
  const first = files.filter(([name]) => !/camelid_web_(worker|gpu)|assets\/worker-/.test(name));
  assert.ok(first.some(([name]) => /camelid_web_light_bg.*\.wasm$/.test(name)), 'the small module is missing');
  assert.ok(first.some(([name]) => name.endsWith('.css')), 'the styles are missing');
  check('first load', first, FIRST_LOAD);
});

test('the worker without GPU has at most 1.2 MB, compressed', () => {
  check('worker', [...sizes('package', /^worker\.js$/), ...sizes('worker', /\.(js|wasm)$/)], 1_200_000);
});

const gpu = existsSync(join(built(), 'gpu/complete'));
test('the GPU engine has at most 3 MB, compressed', { skip: gpu ? false : 'run sh scripts/wasm-gpu.sh' }, () => {
  check('GPU engine', sizes('gpu', /\.(js|wasm)$/), 3_000_000);
});
