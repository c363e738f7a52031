// The same bits on a browser's WebGPU (SwiftShader where there is no GPU): every case's logits are the reference engine's.
// Run by make test-gpu: compiling the shaders alone takes SwiftShader many seconds.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from '../harness/index.js';

const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));
const most = Number(process.env.CAMELID_GPU_BROWSER_CASES ?? 2);
let harness;
let compared = 0;
let adapter = 'no adapter';

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() }, flags: ['--enable-unsafe-webgpu'] });
});

after(async () => {
  await harness.stop();
  console.log(`same bits: ${compared} tokens of ${Math.min(most, cases.length)} models on ${adapter} in Chromium`);
});

for (const [index, given] of cases.slice(0, most).entries()) {
  test(`the same bits on WebGPU: ${given.name}`, { timeout: 900_000 }, async () => {
    const got = await harness.onPage((page) =>
      page.evaluate(async (index) => {
        const { bytesOf } = await import('/engine.js');
        const { gpu } = await import('/gpu.js');
        const { compare } = await import('/compare.js');
        const { cases } = await (await fetch('/vectors/cases.json')).json();
        const given = cases[index];
        const engine = await gpu(await bytesOf(`/vectors/${given.package}`));
        const { differences, tokens } = await compare(engine, given);
        const { adapter } = engine;
        engine.end();
        return { differences, tokens, adapter };
      }, index),
    );
    assert.deepEqual(got.differences, []);
    compared += got.tokens;
    adapter = got.adapter;
  });
}
