// The package during server-side rendering: it can be imported, and says what cannot be done there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as camelid from '../js/index.js';

test('it can be imported, and `open` says that it wants a browser', async () => {
  assert.deepEqual(Object.keys(camelid).sort(), ['CamelidError', 'lacks', 'open']);
  await assert.rejects(camelid.open(), { code: 'bad-input', message: /browser/ });
});

test('what is lacking is said in words', async () => {
  const lacks = await camelid.lacks();
  assert.ok(lacks.some(({ what }) => what === 'webrtc'));
  for (const { why } of lacks) assert.match(why, /^[A-Z].*\.$/);
});

test('it names its own version', () => {
  const { version } = JSON.parse(readFileSync(new URL('../js/package.json', import.meta.url), 'utf8'));
  assert.ok(readFileSync(new URL('../js/open.js', import.meta.url), 'utf8').includes(`'${version}'`));
});
