// The package in apps: each example, built as its bundler builds, opens under a strict policy and shows its status; its
// worker computes.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { built, start, vectors } from './harness/index.js';

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:";
const STATUS = /^(looking-for-peers|silent|headers|filters|up-to-date): block \d+, \d+ nodes, wallet none$/;
const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));

/** The path of the script under `dist` that holds all of `texts`: bundlers give files names of their own. */
function script(dist, ...texts) {
  const found = readdirSync(dist, { recursive: true }).filter((name) => {
    if (!name.endsWith('.js')) return false;
    const content = readFileSync(join(dist, name), 'utf8');
    return texts.every((text) => content.includes(text));
  });
  assert.equal(found.length, 1, `scripts with ${texts}: ${found}`);
  return `/${found[0]}`;
}

/** The path of the module under `dist` that is the same as `file`. */
function wasm(dist, file) {
  const content = readFileSync(join(built(), file));
  const found = readdirSync(dist, { recursive: true }).filter(
    (name) => name.endsWith('.wasm') && readFileSync(join(dist, name)).equals(content),
  );
  assert.equal(found.length, 1, `copies of ${file}: ${found}`);
  return `/${found[0]}`;
}

for (const example of ['vite', 'webpack', 'plain', 'ssr']) {
  describe(`the example ${example}`, () => {
    const dist = join(built(), 'examples', example, 'dist');
    let harness;

    before(async () => {
      harness = await start({ folders: { '/': `${dist}/`, '/vectors/': vectors() }, policy: POLICY });
    });
    after(() => harness.stop());

    test('opens and shows its status', async () => {
      const seen = await harness.onPage(async (page) => {
        const loaded = [];
        page.on('response', (response) => loaded.push(new URL(response.url()).pathname));
        await page.reload();
        await page.waitForFunction(() => !/opening|rendered/.test(document.getElementById('status').textContent));
        const text = await page.locator('#status').textContent();
        const isolated = await page.evaluate(() => crossOriginIsolated);
        return { text, isolated, loaded };
      });
      assert.match(seen.text, STATUS);
      assert.equal(seen.isolated, false);
      assert.ok(seen.loaded.includes(wasm(dist, 'light/camelid_web_light_bg.wasm')));
      // What computes comes when it is needed.
      assert.ok(!seen.loaded.includes(wasm(dist, 'worker/camelid_web_worker_bg.wasm')));
    });

    test('a second tab is told, and the first one keeps the wallet', async () => {
      await harness.onPage(async (page) => {
        await page.waitForFunction(() => document.getElementById('status').textContent.includes('wallet none'));
        const second = await page.context().newPage();
        await second.goto(page.url());
        await second.waitForFunction(() => document.getElementById('status').textContent.startsWith('in-use: '));
        assert.match(await page.locator('#status').textContent(), STATUS);
      });
    });

    test('its worker computes', async () => {
      const given = cases[0];
      const paths = {
        worker: script(dist, 'no model is loaded'),
        module: script(dist, 'camelid_web_worker_bg.wasm', '__wbindgen'),
        wasm: wasm(dist, 'worker/camelid_web_worker_bg.wasm'),
      };
      const tokens = await harness.onPage((page) =>
        page.evaluate(
          async ({ paths, given }) => {
            const bytes = new Uint8Array(await (await fetch(`/vectors/${given.package}`)).arrayBuffer());
            const worker = new Worker(paths.worker, { type: 'module' });
            const ask = (name, argument) =>
              new Promise((resolve, reject) => {
                worker.onerror = (event) => reject(new Error(event.message || 'the worker could not be loaded'));
                worker.onmessage = ({ data: { error, value, progress } }) => {
                  if (error) reject(new Error(error));
                  else if (!progress) resolve(value);
                };
                worker.postMessage({ id: 0, name, argument });
              });
            const at = (path) => new URL(path, location.origin).href;
            await ask('load', { module: at(paths.module), wasmUrl: at(paths.wasm), bytes });
            const { prompt, limit } = given.answers[0];
            const { tokens } = await ask('generate', { prompt, limit, seed: 0n });
            worker.terminate();
            return Array.from(tokens);
          },
          { paths, given },
        ),
      );
      assert.deepEqual(tokens, given.answers[0].tokens);
    });
  });
}

test('the page rendered on a server has something to read before any script runs', () => {
  const html = readFileSync(join(built(), 'examples/ssr/dist/index.html'), 'utf8');
  assert.match(html, /<h1>camelidcoin<\/h1><p id="status" role="status">rendered on a server<\/p>/);
});
