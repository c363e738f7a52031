// What goes wrong on the way: nobody takes a prompt, the page is loaded again in the middle of a job, the node is killed,
// the network is gone.

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

// Before the first job: nodes have as much at stake as the visitor has coins.
test('what nobody takes, and what cannot be paid, is said before it is sent', async () => {
  await visitor.view('Prompt');
  await visitor.field('Prompt').fill('A story that nobody tells');
  await visitor.page.getByText('More settings').click();
  const reward = visitor.field('Reward for the node, in coins');
  for (const [coins, title] of [
    ['0.00000001', 'No node works for that reward'],
    ['20', 'Not enough coins'],
    ['100000', 'No node takes it now'],
  ]) {
    await reward.fill(coins);
    await visitor.page.getByText(title, { exact: true }).waitFor();
    assert.ok(await visitor.button('Send').isDisabled(), `at ${coins} coins`);
  }
  await reward.fill('0.00000001');
  await visitor.button(/^Offer /).click();
  await visitor.button(/^Send for /).waitFor();
  await reward.fill('');
});

for (const [when, state, warnings] of [
  ['before it is paid', /Waiting for a node/, []],
  ['after it was paid', /paying|Paid, waiting|waiting for the key|Checking/, ['beforeunload']],
]) {
  test(`loaded again in mid-job, ${when}, it goes on`, async () => {
    const [worker] = network.computes;
    // Else it may be paid sooner than anybody looks.
    const early = when.startsWith('before');
    if (early) worker.pause();
    const id = await visitor.ask(`A story that is told ${when}`, { limit: 60 });
    await visitor.status(state).waitFor();
    await visitor.view('Wallet');
    assert.deepEqual(await visitor.reload(), warnings);
    await visitor.unlock();
    // What was under way comes first, wherever one meant to go.
    await visitor.page.waitForURL(new RegExp(`#/answer/${id}$`));
    if (early) worker.goOn();
    await visitor.rightAnswer();
    await visitor.status('Settled').waitFor();
  });
}

test('a wallet that is restored while an answer is paid and open finds its money', async () => {
  const [worker] = network.computes;
  const other = await browser.visit(network.url, { allow: UNREACHABLE });
  await other.synced();
  const id = await visitor.ask('A story of two devices', { limit: 60 });
  await visitor.status(/paying|Paid, waiting/).waitFor();
  // Without the key it stays open.
  worker.pause();
  const open = other.region('Balance').getByRole('link', { name: 'In an open job' });
  try {
    await visitor.status(/waiting for the key/).waitFor();
    await other.restore(visitor.words);
    await other.heading('Ask a model').waitFor();
    await other.view('Wallet');
    await open.waitFor();
    await other.region('Balance').getByText('from before this wallet was restored here').waitFor();
    assert.equal(await open.getAttribute('href'), `#/explorer/job/${id}`);
  } finally {
    worker.goOn();
  }
  await visitor.status(/Settled|The money came back/).waitFor();
  await open.waitFor({ state: 'detached' });
  await other.leave();
});

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
  assert.deepEqual(await visitor.reload(), [], 'nothing is at stake');
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
