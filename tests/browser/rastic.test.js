// RASTiC in the browser: a real answer holds, one with a wrong token does not, and the wrong token is named.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from './harness/index.js';

const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));
// stories260K where the shared data is there, else the first random model.
const given = cases[0];
let harness;

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() } });
});
after(() => harness.stop());

/** The verdict on the case's answer number `which` after `change`, and the last progress reported. */
const check = (which, { wrong, random } = {}) =>
  harness.onPage((page) =>
    page.evaluate(
      async ({ given, which, wrong, random }) => {
        const { bytesOf, cpu } = await import('/engine.js');
        const engine = await cpu(await bytesOf(`/vectors/${given.package}`));
        const { prompt, limit, seed, temperature, topK, topP, tokens } = given.answers[which];
        const answer = [...tokens];
        if (wrong !== undefined) answer[wrong] = (answer[wrong] + 1) % engine.info.vocabulary;
        const claim = { prompt, answer, limit, seed: BigInt(seed), sampling: { temperature, topK, topP } };
        if (random !== undefined) claim.random = BigInt(random);
        let progress;
        const verdict = await engine.check(claim, (p) => (progress = p));
        engine.end();
        return { verdict, progress, length: answer.length, fed: prompt.length + answer.length - 1 };
      },
      { given, which, wrong, random },
    ),
  );

for (const [which, name] of [[0, 'greedy'], [1, 'drawn']]) {
  test(`an honest answer holds: ${name}`, async () => {
    const { verdict, progress, length, fed } = await check(which);
    assert.equal(verdict.valid, true);
    assert.equal(verdict.complete, true);
    assert.equal(verdict.positions.length, length);
    assert.deepEqual([verdict.continuity, verdict.integrity, verdict.truncation], ['holds', 'holds', 'holds']);
    assert.deepEqual(verdict.faults, []);
    assert.deepEqual(progress, { done: fed, total: fed });
  });

  test(`one wrong token is found: ${name}`, async () => {
    const wrong = 7;
    const { verdict } = await check(which, { wrong });
    assert.equal(verdict.valid, false);
    const first = verdict.positions.find((p) => !p.right);
    assert.equal(first.index, wrong);
    assert.equal(first.expected, given.answers[which].tokens[wrong]);
    assert.equal(verdict.integrity, 'fails');
  });
}

test('a spot check computes three positions', async () => {
  const { verdict } = await check(0, { random: '12345678901234567890' });
  assert.equal(verdict.valid, true);
  assert.equal(verdict.complete, false);
  assert.equal(verdict.positions.length, 3);
});
