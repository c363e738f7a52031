// Thirty jobs over one WebRTC connection.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { startNetwork } from './network.js';
import { until } from './node.js';
import { openBrowser } from './visitor.js';

const JOBS = 30;
let network, browser, visitor;

before(async () => {
  network = await startNetwork({ oneConnection: true });
  browser = await openBrowser();
  // Counts connections, and changes nothing about them.
  visitor = await browser.visit(network.url, {
    init: () => {
      globalThis.connections = 0;
      globalThis.RTCPeerConnection = new Proxy(RTCPeerConnection, {
        construct(target, args) {
          globalThis.connections++;
          return new target(...args);
        },
      });
    },
  });
  await visitor.begin(network.model);
});
after(async () => {
  await browser?.close();
  await network?.stop();
});

test('thirty jobs over one WebRTC connection, each answer right', async () => {
  assert.deepEqual([...new Set(await visitor.transports())], ['WebRTC']);
  const before = await visitor.page.evaluate(() => globalThis.connections);
  for (let n = 1; n <= JOBS; n++) await visitor.ask(`Story number ${n}`, { limit: 8 });
  await visitor.view('Prompt');
  const right = visitor.page.locator('main li').filter({ hasText: /tokens? (are|is) the model’s/ });
  await until('all answers', async () => (await right.count()) === JOBS, network.about);
  assert.equal(await visitor.page.evaluate(() => globalThis.connections), before);
  assert.deepEqual([...new Set(await visitor.transports())], ['WebRTC']);
});

test('no errors were reported', () => visitor.leave());
