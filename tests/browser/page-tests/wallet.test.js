// Coins between two visitors, and input that makes no sense.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { startNetwork } from './network.js';
import { until } from './node.js';
import { openBrowser, PASSWORD, UNREACHABLE } from './visitor.js';

let network, browser, payer, payee;

before(async () => {
  network = await startNetwork({ computes: 0 });
  browser = await openBrowser();
  payer = await browser.visit(network.url, { allow: UNREACHABLE });
  payee = await browser.visit(network.url);
  await payer.makeWallet();
  await payee.makeWallet();
  await payer.synced();
  await payer.getCoins();
});
after(async () => {
  await browser?.close();
  await network?.stop();
});

async function fillPayment(to, amount) {
  await payer.view('Wallet');
  await payer.link('Send').click();
  await payer.field('To').fill(to);
  await payer.field('Amount in coins').fill(amount);
}

/** Units of an amount as the page writes it: `1,234.50 coins`. */
function unitsOf(text) {
  const [whole, part = ''] = text.replace(/[^\d.]/g, '').split('.');
  return Number(whole) * 100_000_000 + Number(part.padEnd(8, '0'));
}

test('coins that one sends the other receives', async () => {
  const address = await payee.address();
  const before = await payer.spendable();
  await fillPayment(address, '1.5');
  await payer.page.getByRole('radio', { name: /^Fast/ }).waitFor();
  await payer.button('Review').click();
  await payer.page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click();
  await payer.heading('Sent').waitFor();
  await payer.page.getByText(/^It is in block [\d,]+\.$/).waitFor();
  await until('1.5 coins', async () => (await payee.spendable()) === 1.5, network.about);
  await payee.page.getByText('+1.50').waitFor();
  const left = await payer.spendable();
  assert.ok(left < before - 1.5 && left > before - 1.6, `${before} became ${left}`);
  assert.notEqual(await payee.address(), address, 'an address is given out once');
});

test('all coins go at once', async () => {
  const address = await payer.address();
  await payee.view('Wallet');
  await payee.link('Send').click();
  await payee.field('To').fill(address);
  await payee.button('All').click();
  await payee.button('Review').click();
  await payee.page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click();
  await payee.heading('Sent').waitFor();
  await until('nothing left', async () => (await payee.spendable()) === 0, network.about);
});

test('all coins go right after another payment, its change too, and the dialog says how many', async () => {
  const address = await payee.address();
  const back = async () => {
    const coins = await payer.spendable();
    return coins > 19 && coins;
  };
  const before = await until('the coins that came back', back, network.about);
  await fillPayment(address, '0.5');
  await payer.button('Review').click();
  await payer.page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click();
  await payer.heading('Sent').waitFor();
  // The node has it: its change can be spent, most likely before it is in a block.
  await until('the change', async () => (await payer.spendable()) > before - 0.51, network.about);
  await payer.link('Send').click();
  await payer.field('To').fill(address);
  await payer.button('All').click();
  await payer.button('Review').click();
  const dialog = payer.page.getByRole('dialog');
  const gets = await dialog.locator('dl div').filter({ hasText: 'They get' }).locator('dd').innerText();
  await dialog.getByRole('button', { name: 'Send', exact: true }).click();
  await payer.heading('Sent').waitFor();
  const link = payer.page.locator('main a[href^="#/explorer/transaction/"]');
  const txid = (await link.getAttribute('href')).split('/').at(-1);
  const { outputs } = await until('the node has it', () => network.front.get(`/v1/chain/tx/${txid}`), network.about);
  assert.deepEqual(outputs.map(({ address, value_units: units }) => [address, units]), [[address, unitsOf(gets)]]);
  await until('nothing left', async () => (await payer.spendable()) === 0, network.about);
});

for (const [what, to, amount, words] of [
  ['no address', 'somebody', '1', /./],
  ['no amount', undefined, 'a lot', /./],
  ['nothing', undefined, '0', /./],
  ['more than there is', undefined, '1000000', /more than the/],
]) {
  test(`a payment is not reviewed: ${what}`, async () => {
    await fillPayment(to ?? (await payee.address()), amount);
    await payer.button('Review').click();
    const field = payer.page.locator('[aria-invalid="true"]');
    await field.first().waitFor();
    const described = await field.first().getAttribute('aria-describedby');
    const error = payer.page.locator(`#${described.split(' ').at(-1)}`);
    assert.match(await error.innerText(), words);
    assert.equal(await payer.page.getByRole('dialog').count(), 0);
  });
}

test('a wrong password opens nothing, the right one does', async () => {
  await payer.view('Wallet');
  await payer.button('Lock').click();
  await payer.unlock('wrong horse battery');
  await payer.alert('capitals count').waitFor();
  await payer.heading('Unlock your wallet').waitFor();
  await payer.unlock(PASSWORD);
  await payer.heading('Wallet').waitFor();
});

test('another password holds from then on', async () => {
  await payer.link('Backup').click();
  await payer.field('Password until now').fill(PASSWORD);
  const form = payer.page.locator('form').filter({ hasText: 'Password until now' });
  await form.getByLabel('Password', { exact: true }).fill('another horse');
  await form.getByLabel('The password again').fill('another horse');
  await form.getByRole('button', { name: 'Change it' }).click();
  await payer.page.getByText('The new password holds from now on.').waitFor();
  await payer.view('Wallet');
  await payer.button('Lock').click();
  await payer.unlock(PASSWORD);
  await payer.alert('capitals count').waitFor();
  await payer.unlock('another horse');
  await payer.heading('Wallet').waitFor();
});

test('words that are no wallet are refused, with what to do', async () => {
  const visitor = await browser.visit(network.url);
  await visitor.restore(Array(12).fill('abandon'));
  await visitor.alert('Look for a slip').waitFor();
  await visitor.leave();
});

test('a node that is not there, and an address that is none', async () => {
  await payer.view('Network');
  await payer.page.getByText('Add a node').click();
  for (const address of ['nowhere', '/ip4/127.0.0.1/tcp/1/ws']) {
    await payer.field('Its address').fill(address);
    await payer.button('Connect').click();
    await payer.page.getByRole('alert').locator('.title').waitFor();
  }
});

test('what the explorer does not know it says', async () => {
  await payer.view('Explorer');
  await payer.field('Block, transaction or job').fill('what?');
  await payer.button('Find').click();
  await payer.page.getByText(/Write a block’s height/).waitFor();
  await payer.field('Block, transaction or job').fill('ab'.repeat(32));
  await payer.button('Find').click();
  await payer.heading('Not found').waitFor();
  await payer.view('Explorer');
  await payer.field('Block, transaction or job').fill('1');
  await payer.button('Find').click();
  await payer.heading('Block 1').waitFor();
});

test('no errors were reported', async () => {
  await payer.leave();
  await payee.leave();
});
