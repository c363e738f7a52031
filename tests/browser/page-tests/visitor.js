// Somebody at the page: a browser profile of their own, and what they do there, by the names that they read.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchProfile, startBrowser } from '../harness/browser.js';
import { PATIENCE_MS, until } from './node.js';

export const PASSWORD = 'correct horse battery';
// What a browser says of its own accord where a node or a transport is gone on purpose.
export const UNREACHABLE = /net::ERR_|WebSocket connection to|Failed to load resource|WebRTC|ICE/;

/** A browser in which visitors have profiles. */
export async function openBrowser(options) {
  const browser = await startBrowser(options);
  return {
    /** A visitor with a new profile. `init` runs in each page before its scripts; `allow`: errors that may be reported. */
    async visit(url, { init, allow, ...context } = {}) {
      const visitor = new Visitor(await browser.newContext(context), url, allow);
      if (init) await visitor.context.addInitScript(init);
      await visitor.open();
      return visitor;
    },
    close: () => browser.close(),
  };
}

/** A visitor whose browser has settings of its own, as its preferences file writes them. */
export async function visitWithSettings(url, settings, options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'camelid-profile-'));
  mkdirSync(join(profile, 'Default'));
  writeFileSync(join(profile, 'Default/Preferences'), JSON.stringify(settings));
  const visitor = new Visitor(await launchProfile(profile), url, options.allow);
  visitor.profile = profile;
  await visitor.open();
  return visitor;
}

export class Visitor {
  context;
  page;
  words;
  /** The folder of a profile that is to go with the visitor. */
  profile;
  /** The kinds of dialogs that the browser opened, in order. */
  dialogs = [];
  #url;
  #allow;
  #errors = [];

  constructor(context, url, allow) {
    this.context = context;
    this.#url = url;
    this.#allow = allow;
    context.setDefaultTimeout(PATIENCE_MS);
  }

  /** Opens the page in a new tab, which becomes the one that the visitor looks at. */
  async open() {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.#errors.push(`${error.message}\n${error.stack}`));
    page.on('console', (message) => {
      const text = `${message.text()} (${message.location().url})`;
      if (message.type() === 'error' && !this.#allow?.test(text)) this.#errors.push(text);
    });
    page.on('crash', () => this.#errors.push('the page crashed'));
    // The warning before a paid job is left: they leave all the same.
    page.on('dialog', (dialog) => {
      this.dialogs.push(dialog.type());
      return dialog.accept();
    });
    await page.goto(this.#url);
    this.page = page;
    return page;
  }

  /** Loads the page again; gives the kinds of dialogs that the browser opened before it did. */
  async reload() {
    const before = this.dialogs.length;
    await this.page.reload();
    return this.dialogs.slice(before);
  }

  /** Ends the visit, and fails if the page reported an error. */
  async leave() {
    await this.context.close();
    // Its processes may write a last time after they said goodbye.
    if (this.profile) rmSync(this.profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    assert.deepEqual(this.#errors, [], 'the page reported errors');
  }

  button = (name) => this.page.getByRole('button', { name, exact: typeof name === 'string' });
  link = (name) => this.page.getByRole('link', { name, exact: typeof name === 'string' });
  field = (label) => this.page.getByLabel(label, { exact: true });
  heading = (name) => this.page.getByRole('heading', { level: 1, name, exact: true });
  region = (name) => this.page.getByRole('region', { name, exact: true });
  alert = (text) => this.page.getByRole('alert').filter({ hasText: text });
  /** What the view says of how far it is. */
  status = (text) => this.page.locator('main header').getByRole('status').filter({ hasText: text });

  /** Goes to one of the four views. */
  async view(name) {
    await this.page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name }).click();
  }

  /** Makes a wallet as on the first visit; gives its words. */
  async makeWallet(password = PASSWORD) {
    await this.button('Make a new wallet').click();
    await this.field('Password').fill(password);
    await this.field('The password again').fill(password);
    await this.button('Go on').click();
    await this.heading('Write down twelve words').waitFor();
    const lines = await this.page.locator('main ol li').allInnerTexts();
    this.words = lines.map((line) => line.trim().split(/\s+/).at(-1));
    assert.equal(this.words.length, 12);
    await this.button('I wrote them down').click();
    await this.heading('Two words, to be sure').waitFor();
    for (let n = 1; n <= 12; n++) {
      const field = this.field(`Word ${n}`);
      if (await field.isVisible()) await field.fill(this.words[n - 1]);
    }
    await this.button('Done').click();
    await this.heading('Ask a model').waitFor();
    return this.words;
  }

  /** All that comes before the first prompt: a wallet, coins, the model. */
  async begin(model) {
    await this.makeWallet();
    await this.synced();
    await this.getCoins();
    await this.download(model);
  }

  /** Restores a wallet as on the first visit. */
  async restore(words, password = PASSWORD) {
    await this.button('Restore one from its words').click();
    await this.field('Words').fill(words.join(' '));
    await this.button('Go on').click();
    await this.field('Password').fill(password);
    await this.field('The password again').fill(password);
    await this.button('Restore').click();
  }

  async unlock(password = PASSWORD) {
    await this.heading('Unlock your wallet').waitFor();
    await this.field('Password').fill(password);
    await this.button('Unlock').click();
  }

  /** Coins from the faucet, until they can be spent. */
  async getCoins() {
    const before = await this.spendable();
    await this.link('Receive').click();
    await this.button('Get coins to try things out').click();
    await this.page.getByText('coins are on their way').waitFor();
    await until('coins from the faucet', async () => (await this.spendable()) > before);
  }

  /** The address that the wallet gives out. */
  async address() {
    await this.view('Wallet');
    await this.link('Receive').click();
    return (await this.page.locator('.address').innerText()).trim();
  }

  /** Coins that can be spent, as the wallet says. */
  async spendable() {
    await this.view('Wallet');
    await this.region('Balance').getByText('To spend').waitFor();
    const text = await this.region('Balance').innerText();
    return Number(/To spend\s*([\d,.]+)/.exec(text)[1].replaceAll(',', ''));
  }

  /** Waits until the page follows the chain; gives the height. */
  async synced() {
    const link = this.page.locator('footer').getByRole('link').filter({ hasText: 'Up to date' });
    await link.waitFor();
    return Number(/block ([\d,]+)/.exec(await link.innerText())[1].replaceAll(',', ''));
  }

  /** Fetches the model, so that answers can be checked; gives how long that took, in milliseconds. */
  async download(model) {
    const line = await this.modelLine(model);
    const button = line.getByRole('button', { name: /^Download/ });
    await button.waitFor();
    const begun = performance.now();
    await button.click();
    await line.getByText('On this device', { exact: true }).waitFor();
    return performance.now() - begun;
  }

  /** Removes a model that is on this device. */
  async remove(model) {
    const line = await this.modelLine(model);
    await line.getByRole('button', { name: /^Remove/ }).click();
    await line.getByRole('button', { name: /^Download/ }).waitFor();
  }

  /** Where the page has a model, in its list. */
  async modelLine(model) {
    await this.view('Network');
    await this.link('Models and storage').click();
    return this.page.locator('li').filter({ has: this.page.getByRole('heading', { name: model, exact: true }) });
  }

  /** Sends a prompt, once its price is known and nothing is in the way; gives the job's id. */
  async ask(prompt, { limit = 24, verify = 'Every token' } = {}) {
    await this.view('Prompt');
    await this.field('Prompt').fill(prompt);
    await this.field('Longest answer, in tokens').fill(String(limit));
    await this.page.getByText(verify, { exact: true }).click();
    const failed = this.page.getByRole('alert').locator('.title');
    await until('the prompt is sent', async () => {
      if (/#\/answer\/[0-9a-f]{64}$/.test(this.page.url())) return true;
      if (await failed.count()) throw new Error(await failed.first().innerText());
      // Should the price change under the hand, nothing is sent, and one presses again.
      await this.button(/^Send for /).click({ timeout: 1_000 });
    });
    return this.page.url().split('/').at(-1);
  }

  /** The badge on the answer, once it is there. */
  async badge() {
    const badge = this.page.locator('.badge');
    await badge.waitFor();
    return badge.innerText();
  }

  /** Waits until the answer is checked and right; gives it. */
  async rightAnswer() {
    assert.match(await this.badge(), /All \d+ tokens are the model’s|The one token is the model’s/);
    return (await this.page.locator('.answer').innerText()).trim();
  }

  /** Connects to a node by its address. */
  async addNode(address) {
    await this.view('Network');
    await this.page.getByText('Add a node').click();
    await this.field('Its address').fill(address);
    await this.button('Connect').click();
  }

  /** The transports of the nodes that the page talks to. */
  async transports() {
    await this.view('Network');
    await this.link('Chain and nodes').click();
    const tags = this.page.locator('li .tag');
    await tags.first().waitFor();
    return tags.allInnerTexts();
  }
}
