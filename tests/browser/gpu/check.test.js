// Checks on a browser's WebGPU, as the package does them: in its worker, by its engine. The verdict is the CPU engine's.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from '../harness/index.js';

const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));
const given = cases[0];
let harness;

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() }, flags: ['--enable-unsafe-webgpu'] });
});
after(() => harness.stop());

/** The verdicts of both engines on the case's first answer, with the token at `wrong` altered if given. */
const verdicts = (wrong, random) =>
  harness.onPage((page) =>
    page.evaluate(
      async ({ given, wrong, random }) => {
        const { Engine } = await import('/js/engine.js');
        const { check } = await import('/js/check.js');
        const { bytesOf } = await import('/engine.js');
        const engines = [
          { name: 'webgpu', module: `${location.origin}/web/gpu/camelid_web_gpu.js` },
          { name: 'wasm-simd', module: `${location.origin}/web/worker/camelid_web_worker.js` },
        ];
        const { prompt, limit, tokens, seed, temperature, topK, topP } = given.answers[0];
        // A short one: software adapters take half a second a token.
        const answer = tokens.slice(0, 12);
        if (wrong !== undefined) answer[wrong] = answer[wrong] ? 0 : 1;
        const claim = { model: given.root, prompt, answer, limit: Math.min(limit, 12), temperature, topK, topP };
        claim.seed = BigInt(seed);
        if (random !== undefined) claim.random = BigInt(random);
        const found = [];
        for (const engine of engines) {
          const one = new Engine({
            packageOf: () => bytesOf(`/vectors/${given.package}`),
            makeWorker: () => new Worker('/js/worker.js', { type: 'module' }),
            engines: async () => [engine],
          });
          let progress;
          const { verdict, places } = await check(one, claim, { onProgress: (p) => (progress = p) });
          one.end();
          found.push({ ...verdict, milliseconds: 0, places, progress });
        }
        return found;
      },
      { given, wrong, random },
    ),
  );

for (const [what, wrong, random] of [
  ['a right answer', undefined, undefined],
  ['an answer with a wrong token', 5, undefined],
  ['three places', undefined, '12345678901234567890'],
]) {
  test(`the same verdict on WebGPU: ${what}`, { timeout: 900_000 }, async () => {
    const [gpu, cpu] = await verdicts(wrong, random);
    assert.equal(gpu.engine, 'webgpu');
    assert.deepEqual({ ...gpu, engine: '', progress: undefined }, { ...cpu, engine: '', progress: undefined });
    assert.equal(gpu.progress.done, gpu.progress.total);
    assert.equal(gpu.wrong.length > 0, wrong !== undefined);
  });
}
