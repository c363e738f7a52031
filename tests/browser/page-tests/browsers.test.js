// Browsers that differ: transports that are blocked, two tabs, storage that is refused.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { startNetwork } from './network.js';
import { openBrowser, UNREACHABLE, visitWithSettings } from './visitor.js';

let network;

before(async () => {
  network = await startNetwork();
});
after(() => network?.stop());

/** A visitor of a browser with `options`; both are closed after `use`. */
async function withVisitor(options, use) {
  const browser = await openBrowser();
  try {
    const visitor = await browser.visit(network.url, options);
    await use(visitor);
    await visitor.leave();
  } finally {
    await browser.close();
  }
}

/** From a first visit to a verified answer. */
async function wholeWay(visitor) {
  await visitor.begin(network.model);
  await visitor.ask('Once there was a camel', { limit: 12 });
  await visitor.rightAnswer();
}

test('WebRTC comes first', async () => {
  await withVisitor({}, async (visitor) => {
    await wholeWay(visitor);
    assert.deepEqual([...new Set(await visitor.transports())], ['WebRTC']);
  });
});

test('where UDP is blocked WebSocket does', async () => {
  // Without a proxy WebRTC then uses no UDP, and nodes listen on nothing else.
  const settings = { webrtc: { ip_handling_policy: 'disable_non_proxied_udp' } };
  const visitor = await visitWithSettings(network.url, settings, { allow: UNREACHABLE });
  try {
    await wholeWay(visitor);
    assert.deepEqual([...new Set(await visitor.transports())], ['WebSocket']);
  } finally {
    await visitor.leave();
  }
});

test('where the browser has no WebRTC WebSocket does', async () => {
  await withVisitor({ init: () => delete globalThis.RTCPeerConnection }, async (visitor) => {
    await wholeWay(visitor);
    assert.deepEqual([...new Set(await visitor.transports())], ['WebSocket']);
  });
});

test('where pages get no GPU the page says so', async () => {
  await withVisitor({ init: () => delete Navigator.prototype.gpu }, async (visitor) => {
    await visitor.heading('Answers you can check').waitFor();
    await visitor.page.getByText('This browser lacks something').click();
    await visitor.page.getByText('This browser gives pages no GPU').waitFor();
  });
});

test('two tabs: one has the wallet, the other can take it over', async () => {
  await withVisitor({}, async (visitor) => {
    await visitor.makeWallet();
    const first = visitor.page;
    await visitor.open();
    await visitor.heading('The wallet is open in another tab').waitFor();
    await visitor.button('Use it here').click();
    await visitor.unlock();
    await visitor.heading('Ask a model').waitFor();
    await first.getByRole('heading', { name: 'The wallet is open in another tab' }).waitFor();
    // And back, without a reload.
    const second = visitor.page;
    visitor.page = first;
    await visitor.button('Use it here').click();
    await visitor.unlock();
    await second.getByRole('heading', { name: 'The wallet is open in another tab' }).waitFor();
  });
});

test('a browser that keeps nothing says so, and the wallet lasts as long as the tab', async () => {
  const visitor = await visitWithSettings(network.url, {
    profile: { default_content_setting_values: { cookies: 2 } },
  });
  try {
    await visitor.heading('Answers you can check').waitFor();
    await visitor.page.getByText('This browser lacks something').click();
    await visitor.page.getByText('This browser keeps nothing for this page').waitFor();
    await wholeWay(visitor);
    await visitor.page.reload();
    await visitor.heading('Answers you can check').waitFor();
  } finally {
    await visitor.leave();
  }
});
