// Each view: axe-core finds no serious fault, in light and dark; a picture of it at phone and desktop width goes to
// CAMELID_SCREENSHOTS.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { built } from '../harness/index.js';
import { startNetwork } from './network.js';
import { openBrowser } from './visitor.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const pictures = process.env.CAMELID_SCREENSHOTS ?? join(built(), 'screenshots');
let network, browser, visitor, job;

before(async () => {
  mkdirSync(pictures, { recursive: true });
  network = await startNetwork();
  browser = await openBrowser();
  visitor = await browser.visit(network.url);
});
after(async () => {
  await browser?.close();
  await network?.stop();
});

/** Looks at the view that is open: for its faults, and for pictures. */
async function look(name) {
  const { page } = visitor;
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      // Drawn in the new colours, where a check keeps the machine busy too.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      // With reduced motion nothing moves: also colours change at once, which the check of contrast needs.
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0, `${name} moves`);
      // Not by a script of the page's, which its policy would not let in.
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      const where = (nodes) => nodes.slice(0, 5).map(({ html, failureSummary }) => `${html} ${failureSummary}`);
      const words = serious.map(({ id, help, nodes }) => [`${id}: ${help}`, ...where(nodes)]);
      assert.deepEqual(words, [], `${name}, ${colorScheme}, ${size}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${name}, ${size}: ${wide} pixels wider than the window`);
      await page.screenshot({ path: join(pictures, `${name}-${size}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.setViewportSize(SIZES.desktop);
}

test('first visit', async () => {
  await visitor.heading('Answers you can check').waitFor();
  await look('welcome');
  await visitor.button('Restore one from its words').click();
  await look('restore');
  await visitor.button('Back').click();
  await visitor.button('Make a new wallet').click();
  await visitor.field('Password').waitFor();
  await look('create');
  await visitor.button('Back').click();
  await visitor.makeWallet();
});

test('wallet', async () => {
  await visitor.synced();
  await visitor.getCoins();
  await look('wallet');
  for (const [link, title] of [
    ['Receive', 'Receive'],
    ['Send', 'Send'],
    ['Backup', 'Backup and password'],
  ]) {
    await visitor.view('Wallet');
    await visitor.link(link).click();
    await visitor.heading(title).waitFor();
    await look(title.split(' ')[0].toLowerCase());
  }
});

test('prompt and answer', async () => {
  await visitor.view('Prompt');
  await look('prompt-empty');
  await visitor.download(network.model);
  await visitor.view('Prompt');
  await visitor.field('Prompt').fill('Once upon a time, there was a little camel who');
  await visitor.button(/^Send for /).waitFor();
  await look('prompt');
  job = await visitor.ask('Once upon a time, there was a little camel who', { limit: 60 });
  await look('answer-under-way');
  await visitor.rightAnswer();
  await visitor.status('Settled').waitFor();
  await visitor.page.getByText('What exactly was checked').click();
  await look('answer');
  await visitor.view('Prompt');
  await look('prompt-with-answers');
});

test('network and explorer', async () => {
  await visitor.view('Network');
  await visitor.page.locator('li .tag').first().waitFor();
  await look('network');
  await visitor.link('Models and storage').click();
  await visitor.page.getByText('On this device', { exact: true }).waitFor();
  await look('models');
  await visitor.view('Explorer');
  await look('explorer');
  await visitor.page.goto(`${network.url}#/explorer/job/${job}`);
  await visitor.heading('Job').waitFor();
  await look('explorer-job');
  await visitor.page.goto(`${network.url}#/explorer/block/1`);
  await visitor.heading('Block 1').waitFor();
  await look('explorer-block');
  await visitor.page.locator('main ol a').first().click();
  await visitor.heading('Transaction').waitFor();
  await look('explorer-transaction');
  await visitor.page.goto(`${network.url}#/no/such/view`);
  await visitor.heading('There is nothing here').waitFor();
  await look('nothing');
});

test('locked, and open elsewhere', async () => {
  await visitor.view('Wallet');
  await visitor.button('Lock').click();
  await visitor.heading('Unlock your wallet').waitFor();
  await look('unlock');
  await visitor.open();
  await visitor.heading('The wallet is open in another tab').waitFor();
  await look('elsewhere');
});

test('the keyboard alone makes a wallet', async () => {
  const other = await browser.visit(network.url);
  const { keyboard } = other.page;
  // To a control by its name, as far as Tab goes.
  const tabTo = async (name) => {
    for (let presses = 0; presses < 40; presses++) {
      await keyboard.press('Tab');
      const focused = await other.page.evaluate(() => {
        const { activeElement: element } = document;
        return element.labels?.[0]?.textContent ?? element.textContent;
      });
      if (focused.trim() === name) return;
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await other.heading('Answers you can check').waitFor();
  await tabTo('Make a new wallet');
  await keyboard.press('Enter');
  await tabTo('Password');
  await keyboard.type('correct horse battery');
  await tabTo('The password again');
  await keyboard.type('correct horse battery');
  await keyboard.press('Enter');
  await other.heading('Write down twelve words').waitFor();
  await tabTo('Do it later');
  await keyboard.press('Enter');
  await other.heading('Ask a model').waitFor();
  await other.leave();
});

test('no errors were reported', () => visitor.leave());
