// A node that alters one token of its answers: the page shows which, says what should stand there, and does not sign
// the pay-out. A picture of it goes to CAMELID_SCREENSHOTS.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { built } from '../harness/index.js';
import { startNetwork } from './network.js';
import { openBrowser } from './visitor.js';

const pictures = process.env.CAMELID_SCREENSHOTS ?? join(built(), 'screenshots');
let network, browser, visitor;

before(async () => {
  network = await startNetwork({ cheat: 'alter-token' });
  browser = await openBrowser();
  visitor = await browser.visit(network.url);
  await visitor.begin(network.model);
});
after(async () => {
  await browser?.close();
  await network?.stop();
});

test('a wrong token is shown, and the node is not paid out', async () => {
  await visitor.ask('Once upon a time', { limit: 30 });
  const badge = await visitor.badge();
  assert.match(badge, /This is not the model’s answer/);
  assert.match(badge, /does not sign the node’s pay-out/);
  const wrong = visitor.page.locator('.answer .wrong');
  await wrong.first().waitFor();
  assert.match(await wrong.first().innerText(), /the model says/);
  mkdirSync(pictures, { recursive: true });
  await visitor.page.screenshot({ path: join(pictures, 'wrong-token.png') });
  await visitor.page.getByText('What exactly was checked').click();
  const rows = visitor.page.getByRole('region', { name: 'Tokens by place' });
  assert.match(await rows.getByText(/^wrong, the model says/).first().innerText(), /\(\d+\)$/);
  await visitor.view('Prompt');
  await visitor.page.locator('.mark.bad').waitFor();
  await visitor.view('Wallet');
  assert.equal(await visitor.page.getByText('Answer settled').count(), 0);
});

test('an answer taken without a check shows the wrong token when it is checked after all', async () => {
  await visitor.ask('The sun was hot', { limit: 20, verify: 'Nothing' });
  await visitor.page.locator('.answer').waitFor();
  await visitor.button('Check again in full').click();
  await visitor.page.locator('.badge').filter({ hasText: 'This is not the model’s answer' }).waitFor();
  await visitor.page.locator('.answer .wrong').first().waitFor();
});

test('no errors were reported', () => visitor.leave());
