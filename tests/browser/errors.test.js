// Bad input in the browser: each is an error with a sentence, and what was there before still works.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from './harness/index.js';

const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));
const given = cases[0];
let harness;

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() } });
});
after(() => harness.stop());

/** The message of the error that `act(engine)` ends with; then the engine must still compute. */
const refused = (act) =>
  harness.onPage((page) =>
    page.evaluate(
      async ({ given, act }) => {
        const { bytesOf, cpu } = await import('/engine.js');
        const engine = await cpu(await bytesOf(`/vectors/${given.package}`));
        const acts = {
          unknown: () => engine.forward([{ sequence: 9, tokens: [1] }]),
          vocabulary: async () => engine.forward([{ sequence: await engine.open(), tokens: [1_000_000] }]),
          context: () => engine.generate({ prompt: [1], limit: 1_000_000 }),
          want: async () => engine.forward([{ sequence: await engine.open(), tokens: [1], want: 'some' }]),
          temperature: () => engine.generate({ prompt: [1], limit: 1, sampling: { temperature: 10_001 } }),
          empty: () => engine.check({ prompt: [], answer: [1], limit: 1 }),
        };
        const message = await acts[act]().then(
          () => 'none',
          (e) => e.message,
        );
        const { tokens } = await engine.generate({ prompt: given.answers[0].prompt, limit: 3 });
        engine.end();
        return { message, tokens: Array.from(tokens) };
      },
      { given, act },
    ),
  );

for (const [act, expected] of [
  ['unknown', /^sequence 9 is not open$/],
  ['vocabulary', /^token id 1000000 at index 0 is outside the vocabulary of \d+$/],
  ['context', /1000001|1000000/],
  ['want', /^want 255: expected 0 \(none\), 1 \(the last\) or 2 \(all\)$/],
  ['temperature', /^temperature is 10001 thousandths, at most 10000 allowed$/],
  ['empty', /prompt/],
]) {
  test(`refused: ${act}`, async () => {
    const { message, tokens } = await refused(act);
    assert.match(message, expected);
    assert.deepEqual(tokens, given.answers[0].tokens.slice(0, 3));
  });
}

test('a file that is no package is refused', async () => {
  const message = await harness.onPage((page) =>
    page.evaluate(async () => {
      const { cpu } = await import('/engine.js');
      return cpu(new TextEncoder().encode('not a model')).then(
        () => 'none',
        (e) => e.message,
      );
    }),
  );
  assert.match(message, /package/);
});
