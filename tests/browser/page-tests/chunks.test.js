// A model of ten megabytes over each transport: what the browser keeps are the node's bytes, until it is removed.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Node } from './node.js';
import { RANDOM_BYTES, RANDOM_MODEL, writeRandomModel } from './random-model.js';
import { openBrowser } from './visitor.js';

let dir, node, browser, root, expected;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'camelid-page-'));
  node = new Node('front', dir);
  const imported = JSON.parse(await node.command('--json', 'model', 'import', writeRandomModel(dir)));
  root = imported.root;
  const bytes = readFileSync(imported.file);
  expected = { length: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  await node.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await node?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** What the browser keeps of the model: its pieces in their order, as one. */
const kept = (visitor) =>
  visitor.page.evaluate(async (root) => {
    const answer = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await answer(indexedDB.open('camelid-dev'));
    const range = IDBKeyRange.bound(`${root}/`, `${root}/\u007f`);
    const pieces = await answer(database.transaction('chunks').objectStore('chunks').getAll(range));
    database.close();
    const bytes = await new Blob(pieces).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return { length: bytes.byteLength, sha256 };
  }, root);

for (const [transport, options] of [
  ['WebRTC', {}],
  ['WebSocket', { init: () => delete globalThis.RTCPeerConnection }],
]) {
  test(`8 MB and more of a model over ${transport}, bit for bit`, async (t) => {
    assert.ok(expected.length >= RANDOM_BYTES, `the package has ${expected.length} bytes`);
    const visitor = await browser.visit(node.page, options);
    await visitor.makeWallet();
    const milliseconds = await visitor.download(RANDOM_MODEL);
    assert.deepEqual(await kept(visitor), expected);
    assert.deepEqual(await visitor.transports(), [transport]);
    await visitor.remove(RANDOM_MODEL);
    assert.equal((await kept(visitor)).length, 0);
    const rate = expected.length / milliseconds / 1000;
    t.diagnostic(`${(expected.length / 1e6).toFixed(1)} MB over ${transport}: ${rate.toFixed(1)} MB/s`);
    await visitor.leave();
  });
}
