// The whole way: a first visit, a wallet, coins, a prompt, an answer of which every token is checked; and the same wallet
// in another browser.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { startNetwork } from './network.js';
import { until } from './node.js';
import { openBrowser } from './visitor.js';

let network, browser, visitor;

before(async () => {
  network = await startNetwork();
  browser = await openBrowser();
  visitor = await browser.visit(network.url);
});
after(async () => {
  await browser?.close();
  await network?.stop();
});

test('a first visit ends with a verified answer', async () => {
  await visitor.heading('Answers you can check').waitFor();
  await visitor.begin(network.model);
  const id = await visitor.ask('Once upon a time', { limit: 40 });
  const answer = await visitor.rightAnswer();
  assert.ok(answer.length > 20, answer);
  await visitor.status('Settled').waitFor();

  // What exactly was checked: a row for each token, all right.
  await visitor.page.getByText('What exactly was checked').click();
  const table = visitor.page.getByRole('region', { name: 'Tokens by place' });
  const checks = await table.locator('tr td:last-child').allInnerTexts();
  assert.ok(checks.length > 0 && checks.every((check) => check === 'right'), checks.join());

  // The job stands on the chain, and among the earlier answers.
  await visitor.link(new RegExp(id)).click();
  await visitor.heading('Job').waitFor();
  await visitor.link('see the answer').waitFor();
  await visitor.view('Prompt');
  await visitor.link(/Once upon a time/).waitFor();
});

test('with three places checked the badge claims no more, and a check in full finds all right', async () => {
  await visitor.ask('One day a little camel', { limit: 24, verify: 'Three places' });
  assert.match(await visitor.badge(), /3 of \d+ tokens checked|All \d+ tokens/);
  await visitor.button('Check again in full').click();
  await visitor.page.locator('.badge').filter({ hasText: /All \d+ tokens are the model’s/ }).waitFor();
  await visitor.status('Settled').waitFor();
});

test('what was checked in full is so after a reload too', async () => {
  await visitor.view('Wallet');
  // Once it is locked, everything is written.
  await visitor.button('Lock').click();
  await visitor.heading('Unlock your wallet').waitFor();
  await visitor.page.reload();
  await visitor.unlock();
  await visitor.heading('Wallet').waitFor();
  await visitor.view('Prompt');
  await visitor.link(/One day a little camel/).click();
  await visitor.rightAnswer();
});

test('restored in another browser it has the same coins and the same history', async () => {
  const coins = await visitor.spendable();
  assert.ok(coins > 0);
  const entries = await visitor.page.locator('.entry').count();
  const other = await browser.visit(network.url);
  await other.restore(visitor.words);
  await other.synced();
  const same = async () => (await other.spendable()) === coins && (await other.page.locator('.entry').count()) === entries;
  await until('the same coins and history', same, network.about);
  await other.leave();
});

test('no errors were reported', () => visitor.leave());
