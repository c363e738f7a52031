import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalOf, troubleOf } from '../src/lib/payment.ts';

const [one, other] = ['ab'.repeat(32), 'cd'.repeat(32)];
const warnings = [
  { text: `transaction ${one} was refused: its fee is too low` },
  { text: `payment ${other} is under way and not written down here (no room): keep this page open` },
];

test('a warning says why a payment was refused', () => {
  assert.equal(refusalOf(warnings, one), 'its fee is too low');
  assert.equal(refusalOf(warnings, other), undefined);
  assert.equal(refusalOf([], one), undefined);
});

test('a warning says what is wrong with one that is on its way', () => {
  assert.equal(troubleOf(warnings, other), 'is under way and not written down here (no room): keep this page open');
  assert.equal(troubleOf(warnings, one), undefined);
});
