import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, explain } from '../src/lib/errors.ts';

const failure = (code: string, message: string) => Object.assign(new Error(message), { code });

test('an error says what happened and what to do', () => {
  const { what, todo, code } = explain(failure('wrong-password', 'the password does not open this wallet'));
  assert.equal(what, 'The password does not open this wallet.');
  assert.match(todo, /again/);
  assert.equal(code, 'wrong-password');
});

test('what nobody foresaw has words too', () => {
  for (const error of [
    new TypeError('x is undefined'),
    failure('no-such-code', 'odd'),
    'text',
    undefined,
    null,
    7,
    {},
  ]) {
    const { what, todo, code } = explain(error);
    assert.equal(code, 'internal');
    assert.match(what, /^[A-Z].*[.!?…]$/);
    assert.match(todo, /Load the page again/);
  }
});

test('a stop by its user is not a fault of the page', () => {
  assert.equal(codeOf(new DOMException('stopped', 'AbortError')), 'aborted');
});

test('a name that every object has is no code', () => {
  assert.equal(codeOf({ code: 'toString' }), 'internal');
});
