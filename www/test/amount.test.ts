import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COIN, formatAmount, parseAmount, plainAmount } from '../src/lib/amount.ts';

test('amounts have two decimals at least and all that they need', () => {
  assert.equal(formatAmount(0n), '0.00');
  assert.equal(formatAmount(COIN), '1.00');
  assert.equal(formatAmount(8_994n), '0.00008994');
  assert.equal(formatAmount(1n), '0.00000001');
  assert.equal(formatAmount(123_450_000_000n), '1,234.50');
  assert.equal(formatAmount(-60_028_994n), '−0.60028994');
  assert.equal(formatAmount(250_000_000n, true), '+2.50');
  assert.equal(formatAmount(0n, true), '0.00');
});

test('amounts beyond what floats hold stay exact', () => {
  assert.equal(formatAmount(9_999_999_999_999_999n), '99,999,999.99999999');
  assert.deepEqual(parseAmount('99999999.99999999'), { ok: true, amount: 9_999_999_999_999_999n });
});

test('a typed amount is read exactly', () => {
  const read: [string, bigint][] = [
    ['1', COIN],
    ['1.', COIN],
    ['.5', COIN / 2n],
    [' 0.1 ', 10_000_000n],
    ['0.00000001', 1n],
    ['007', 7n * COIN],
    ['100000000', 100_000_000n * COIN],
  ];
  for (const [text, amount] of read) assert.deepEqual(parseAmount(text), { ok: true, amount }, text);
});

test('what is no amount is refused with its reason', () => {
  const refused: [string, RegExp][] = [
    ['', /how many coins/],
    ['1,5', /no commas/],
    ['1,000', /no commas/],
    ['-1', /minus/],
    ['0', /above zero/],
    ['0.000000001', /8 decimals; this has 9/],
    ['1e3', /digits/],
    ['1.2.3', /digits/],
    ['.', /digits/],
    ['0x10', /digits/],
    ['100000000.00000001', /more coins/],
    ['9'.repeat(1_000_000), /more coins/],
  ];
  for (const [text, reason] of refused) {
    const parsed = parseAmount(text);
    assert.ok(!parsed.ok && reason.test(parsed.reason), text.slice(0, 20));
  }
});

test('what is written into a field is read back the same', () => {
  for (const units of [1n, COIN, 60_000_000n, 123_456_789_012_345n]) {
    assert.deepEqual(parseAmount(plainAmount(units)), { ok: true, amount: units });
  }
});
