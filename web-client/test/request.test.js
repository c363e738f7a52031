import assert from 'node:assert/strict';
import { test } from 'node:test';
import { amount, requestOf, settings } from '../js/request.js';

const model = '0f'.repeat(32);
const asked = { model, prompt: 'Once upon a time', limit: 60 };

test('what is left out is what most want', () => {
  assert.deepEqual(settings(asked), {
    ...asked,
    temperature: 0,
    topK: 0,
    topP: 1_000_000,
    seed: 0n,
    verify: 'full',
    reward: undefined,
  });
  const full = { ...asked, sampling: undefined, seed: 0n, verify: 'full', reward: undefined };
  assert.deepEqual(requestOf(settings(asked)), full);
});

test('a drawn answer gets a seed of its own', () => {
  const seeds = Array.from({ length: 4 }, () => settings({ ...asked, sampling: { temperature: 800 } }).seed);
  assert.equal(new Set(seeds).size, 4);
  assert.equal(settings({ ...asked, sampling: { temperature: 800 }, seed: 7n }).seed, 7n);
});

for (const [what, change] of [
  ['no request', undefined],
  ['another model', { model: 'tiny' }],
  ['no prompt', { prompt: '' }],
  ['half a token', { limit: 1.5 }],
  ['no token', { limit: 0 }],
  ['more tokens than WASM counts', { limit: 2 ** 32 }],
  ['a negative temperature', { sampling: { temperature: -1 } }],
  ['a temperature in degrees', { sampling: { temperature: 0.8 } }],
  ['top p of nothing', { sampling: { topP: 0 } }],
  ['a seed that is a number', { seed: 7 }],
  ['a seed too large', { seed: 2n ** 64n }],
  ['a negative reward', { reward: -1n }],
  ['another way to verify', { verify: 'twice' }],
]) {
  test(`refused: ${what}`, () => {
    const request = change && { ...asked, ...change };
    assert.throws(() => settings(request), (e) => e.code === 'bad-input' && e.message.length < 160);
  });
}

test('amounts are units', () => {
  assert.equal(amount('all'), 'all');
  assert.equal(amount(5n), 5n);
  for (const bad of [5, '5', -5n, 2n ** 64n, undefined]) assert.throws(() => amount(bad), { code: 'bad-input' });
});
