// What goes wrong on the way: the page is loaded again in the middle of a job, the node is killed, the network is gone.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { startNetwork } from './network.js';
import { openBrowser, UNREACHABLE } from './visitor.js';

const ALONE = /Looking for nodes|No node answers/;
let network, browser, visitor;

before(async () => {
  network = await startNetwork();
  browser = await openBrowser();
  visitor = await browser.visit(network.url, { allow: UNREACHABLE });
  await visitor.begin(network.model);
});
after(async () => {
  await browser?.close();
  await network?.stop();
});

const footer = (text) => visitor.page.locator('footer').getByRole('link').filter({ hasText: text });

for (const [when, state] of [
  ['before it is paid', /Waiting for a node/],
  ['after it was paid', /paying|Paid, waiting|waiting for the key|Checking/],
]) {
  test(`loaded again in mid-job, ${when}, it goes on`, async () => {
    const [worker] = network.computes;
    // Else it may be paid sooner than anybody looks.
    const early = when.startsWith('before');
    if (early) worker.pause();
    const id = await visitor.ask(`A story that is told ${when}`, { limit: 60 });
    await visitor.status(state).waitFor();
    await visitor.view('Wallet');
    await visitor.page.reload();
    await visitor.unlock();
    // What was under way comes first, wherever one meant to go.
    await visitor.page.waitForURL(new RegExp(`#/answer/${id}$`));
    if (early) worker.goOn();
    await visitor.rightAnswer();
    await visitor.status('Settled').waitFor();
  });
}

test('nodes that are killed and come back are found again', async () => {
  await visitor.view('Network');
  const height = await visitor.synced();
  await network.kill();
  await footer(ALONE).waitFor();
  await network.startAgain();
  assert.ok((await visitor.synced()) >= height);
  await visitor.ask('After the storm', { limit: 16 });
  await visitor.rightAnswer();
  await visitor.status('Settled').waitFor();
});

test('nodes that are killed in mid-job take no money with them', async () => {
  await visitor.ask('In the middle of the night', { limit: 60 });
  await visitor.status(/A node computes|paying|Paid, waiting/).waitFor();
  await network.kill();
  await footer(ALONE).waitFor();
  await network.startAgain();
  await visitor.status(/Settled|nothing was paid|The money came back/).waitFor();
});

test('without a network the page opens, and shows what is kept', async () => {
  // The service worker has all that a visit needs.
  await visitor.page.waitForFunction(async () => {
    await navigator.serviceWorker.ready;
    for (const name of await caches.keys()) {
      const requests = await (await caches.open(name)).keys();
      if (requests.some(({ url }) => url.includes('camelid_web_light_bg'))) return true;
    }
    return false;
  });
  const coins = await visitor.spendable();
  await network.front.stop();
  await visitor.page.reload();
  await visitor.unlock();
  await footer(ALONE).waitFor();
  assert.equal(await visitor.spendable(), coins);
  await visitor.view('Prompt');
  await visitor.link(/A story that is told before/).click();
  await visitor.rightAnswer();
  await network.front.start();
  await visitor.synced();
});

test('no errors were reported', () => visitor.leave());
