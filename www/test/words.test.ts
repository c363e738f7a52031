import assert from 'node:assert/strict';
import { test } from 'node:test';
import { about, ago, bytes, excerpt, lasting, many, shorten, took } from '../src/lib/words.ts';

test('times are told from now', () => {
  const now = new Date('2026-01-10T12:00:00Z');
  const at = (seconds: number) => ago(new Date(now.getTime() + seconds * 1000), now);
  assert.equal(at(-10), 'just now');
  assert.equal(at(-50), '1 minute ago');
  assert.equal(at(-125), '2 minutes ago');
  assert.equal(at(-3_600), '1 hour ago');
  assert.equal(at(30), 'in a moment');
  assert.equal(at(86_400), 'tomorrow');
  assert.match(at(-30 * 86_400), /2025/);
});

test('lengths of time and sizes are short', () => {
  assert.equal(lasting(0.2), 'about a second');
  assert.equal(lasting(40), 'about 40 seconds');
  assert.equal(lasting(600), 'about 10 minutes');
  assert.equal(took(10.4), '10 ms');
  assert.equal(took(2_440), '2.4 s');
  assert.equal(bytes(999), '999 B');
  assert.equal(bytes(1_321_664), '1.3 MB');
  assert.equal(bytes(512_300_000), '512 MB');
  assert.equal(bytes(999_600_000), '1.0 GB');
  assert.equal(about(1_246_592), '1.25 million');
  assert.equal(many(1, 'node'), '1 node');
  assert.equal(many(1200, 'block'), '1,200 blocks');
});

test('long texts keep start and end, short ones stay', () => {
  assert.equal(shorten('0123456789abcdef'), '012345…abcdef');
  assert.equal(shorten('012345'), '012345');
  assert.equal(excerpt(' one\n two '), 'one two');
  assert.equal(excerpt('abc def ghi', 8), 'abc def…');
});
