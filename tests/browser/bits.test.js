// The same bits: the WASM module's logits and answers are the reference engine's, on every model that browser-vectors
// wrote, fed in one piece, step by step, in odd pieces, and in batches with strangers.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from './harness/index.js';

const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));
let harness;
let compared = 0;

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() } });
});

after(async () => {
  await harness.stop();
  console.log(`same bits: ${compared} tokens of ${cases.length} models on simd128 in Chromium`);
});

if (!cases.some((c) => c.name === 'stories260k')) {
  test('the same bits: stories260k', { skip: 'shared/data/stories260k is not there' }, () => {});
}

for (const [index, given] of cases.entries()) {
  test(`the same bits: ${given.name}`, async () => {
    const got = await harness.onPage((page) =>
      page.evaluate(async (index) => {
        const { bytesOf, cpu } = await import('/engine.js');
        const { compare } = await import('/compare.js');
        const { cases } = await (await fetch('/vectors/cases.json')).json();
        const given = cases[index];
        const engine = await cpu(await bytesOf(`/vectors/${given.package}`));
        const { differences, tokens } = await compare(engine, given);
        const answers = [];
        for (const { prompt, limit, seed, temperature, topK, topP } of given.answers) {
          const sampling = { temperature, topK, topP };
          const { tokens } = await engine.generate({ prompt, sampling, seed: BigInt(seed), limit });
          answers.push(Array.from(tokens));
        }
        const { root, kernel } = engine.info;
        engine.end();
        return { differences, tokens, answers, root, kernel };
      }, index),
    );
    assert.equal(got.kernel, 'simd128');
    assert.equal(got.root, given.root);
    assert.deepEqual(got.differences, []);
    assert.deepEqual(got.answers, given.answers.map((a) => a.tokens));
    compared += got.tokens + got.answers.flat().length;
  });
}
