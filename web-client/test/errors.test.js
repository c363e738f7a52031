import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { asCamelidError, CamelidError } from '../js/errors.js';

test('a code that the light client gave stays, an unknown one is internal', () => {
  const found = asCamelidError(Object.assign(new Error('the password is wrong'), { code: 'wrong-password' }));
  assert.ok(found instanceof CamelidError && found instanceof Error);
  assert.equal(found.code, 'wrong-password');
  assert.equal(found.message, 'the password is wrong');
  assert.equal(asCamelidError(Object.assign(new Error('?'), { code: 'ENOENT' })).code, 'internal');
  assert.equal(asCamelidError('a text').message, 'a text');
  assert.equal(asCamelidError(undefined).code, 'internal');
});

test('the browser’s own errors have codes too', () => {
  assert.equal(asCamelidError(AbortSignal.abort().reason).code, 'aborted');
  assert.equal(asCamelidError(new DOMException('full', 'QuotaExceededError')).code, 'storage');
});

test('one that is one stays the same', () => {
  const error = new CamelidError('offline', 'no connection');
  assert.equal(asCamelidError(error), error);
});

test('the codes are those of the types', () => {
  const types = readFileSync(new URL('../js/index.d.ts', import.meta.url), 'utf8');
  const [, list] = /class CamelidError[^]*?readonly code:([^;]*);/.exec(types);
  const codes = Array.from(list.matchAll(/'([a-z-]+)'/g), ([, code]) => code);
  assert.ok(codes.length > 10);
  for (const code of codes) assert.equal(asCamelidError({ code }).code, code);
});
