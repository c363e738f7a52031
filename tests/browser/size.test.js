// What a page loads stays small. Sizes are those of the files compressed one by one by `gzip -9`: Node's own zlib is made for
// speed, and leaves 1 % more.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { built } from './harness/index.js';

/** How many bytes a file has, compressed. */
const compressed = (file) => execFileSync('gzip', ['-9', '-c', file], { maxBuffer: 1 << 26 }).length;

/** The files under `folder` whose paths fit, with their sizes compressed. */
function sizes(folder, fits) {
  const names = readdirSync(join(built(), folder), { recursive: true }).filter((name) => fits.test(name));
  return names.map((name) => [name, compressed(join(built(), folder, name))]);
}

function check(what, files, most) {
  const size = files.reduce((sum, [, size]) => sum + size, 0);
  console.log(`${what}: ${size} B compressed, in ${files.length} files`);
  const list = files.map(([name, size]) => `${size} ${name}`).join(', ');
  assert.ok(size <= most, `${what}: ${size} B, at most ${most} allowed: ${list}`);
}

/** What a browser loads before anything is shown: the page, and what its files name at their heads. */
function firstFiles() {
  const found = new Set(['index.html']);
  for (const name of found) {
    if (!/\.(html|js)$/.test(name)) continue;
    const text = readFileSync(join(built(), 'www', name), 'utf8');
    const named = name === 'index.html' ? /(?:src|href)="\.\/(assets\/[^"]+)"/g : /(?:from|import)\s*"\.\/([^"]+)"/g;
    for (const [, file] of text.matchAll(named)) found.add(name === 'index.html' ? file : `assets/${file}`);
  }
  return found;
}

test('the first load of the page has at most 600 kB, compressed', () => {
  // The small module comes at once, by name; views when they are shown, what computes and the icons later.
  const names = firstFiles();
  const files = sizes('www', /\.\w+$/).filter(([name]) => names.has(name) || /assets\/camelid_web_light/.test(name));
  const has = (pattern) => assert.ok(files.some(([name]) => pattern.test(name)), `nothing is like ${pattern}`);
  [/light.*\.wasm$/, /light.*\.js$/, /index.*\.js$/, /index.*\.css$/].forEach(has);
  check('first load', files, 600_000);
});

test('the worker without GPU has at most 1.2 MB, compressed', () => {
  check('worker', [...sizes('package', /^worker\.js$/), ...sizes('worker', /\.(js|wasm)$/)], 1_200_000);
});

const gpu = existsSync(join(built(), 'gpu/complete'));
test('the GPU engine has at most 3 MB, compressed', { skip: gpu ? false : 'run sh scripts/wasm-gpu.sh' }, () => {
  check('GPU engine', sizes('gpu', /\.(js|wasm)$/), 3_000_000);
});
