// Text in the browser: each tokenizer gives the ids and the text that Python's `tokenizers` gives.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from './harness/index.js';

const tokenizers = JSON.parse(readFileSync(join(vectors(), 'tokenizers.json')));
let harness;

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() } });
});
after(() => harness.stop());

for (const [index, given] of tokenizers.entries()) {
  test(`the same ids and text: ${given.name}`, async () => {
    const found = await harness.onPage((page) =>
      page.evaluate(async (index) => {
        const { bytesOf, cpu } = await import('/engine.js');
        const given = (await (await fetch('/vectors/tokenizers.json')).json())[index];
        const model = await cpu(await bytesOf(`/vectors/${given.package}`));
        const found = [];
        for (const { text, ids } of given.cases) {
          const [begin, ...rest] = await model.prompt(text);
          found.push({ begin, ids: rest, decoded: await model.text(ids) });
        }
        model.end();
        return found;
      }, index),
    );
    assert.equal(found.length, given.cases.length);
    for (const [i, { text, ids, decoded }] of given.cases.entries()) {
      assert.deepEqual(found[i], { begin: 0, ids, decoded }, JSON.stringify(text));
    }
  });
}
