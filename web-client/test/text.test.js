import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ending, texts } from '../js/text.js';

// A byte-level tokenizer: each id is one byte, and what is no whole character decodes to U+FFFD.
const bytes = (ids) => new TextDecoder().decode(Uint8Array.from(ids));
const idsOf = (text) => Uint32Array.from(new TextEncoder().encode(text));
// A tokenizer of words that puts spaces between, not before the first.
const WORDS = ['Once', 'upon', 'a', 'camel'];
const words = (ids) => Array.from(ids, (id) => WORDS[id]).join(' ');

test('joined they are the whole text, characters of several tokens with the last of them', () => {
  for (const text of ['plain', 'Käse für 5 €', '🐪🐫 camels', '', 'é']) {
    const parts = texts(bytes, idsOf(text));
    assert.equal(parts.length, idsOf(text).length);
    assert.equal(parts.join(''), text);
    for (const part of parts) assert.ok(!part.includes('\ufffd'), `${text}: ${parts}`);
  }
  assert.deepEqual(texts(bytes, idsOf('é!')), ['', 'é', '!']);
  assert.deepEqual(texts(bytes, idsOf('🐪')), ['', '', '', '🐪']);
});

test('bytes that never become a character stay what they decode to', () => {
  const broken = [0x61, 0xf0, 0x9f, 0x62];
  assert.equal(texts(bytes, broken).join(''), bytes(broken));
  const cut = [...idsOf('a€')].slice(0, -1);
  assert.equal(texts(bytes, cut).join(''), bytes(cut));
});

test('a space belongs to the word after it', () => {
  assert.deepEqual(texts(words, [0, 1, 2, 3]), ['Once', ' upon', ' a', ' camel']);
  assert.deepEqual(texts(words, []), []);
});

test('the ending is what the last one adds', () => {
  assert.equal(ending(words, [0, 3]), ' camel');
  assert.equal(ending(words, [3]), 'camel');
  assert.equal(ending(bytes, idsOf('é')), 'é');
  assert.equal(ending(bytes, idsOf('ab')), 'b');
});
