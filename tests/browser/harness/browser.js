// Chromium with a new profile of its own. What a page reports as an error fails the test that opened it.

import { chromium } from 'playwright-core';
import { existsSync } from 'node:fs';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts Chromium: CAMELID_CHROMIUM, or where Debian puts it. `flags` are further arguments. */
export async function startBrowser({ flags = [] } = {}) {
  // Without a folder named, Playwright makes an empty profile and removes it.
  return chromium.launch(launchOptions(flags));
}

/** Starts Chromium with the profile in `folder`; gives its one context. */
export async function launchProfile(folder) {
  return chromium.launchPersistentContext(folder, launchOptions());
}

function launchOptions(flags = []) {
  const executablePath = process.env.CAMELID_CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(`no Chromium at ${executablePath}: install chromium, or set CAMELID_CHROMIUM`);
  }
  return { executablePath, headless: true, args: [...ARGUMENTS, ...flags] };
}

/** Opens `url` in a context of its own, runs `use(page)`, and fails if the page reported an error. */
export async function onPage(browser, url, use) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.CAMELID_BROWSER_TIMEOUT ?? 600_000));
  const errors = [];
  page.on('pageerror', (e) => errors.push(e.stack ?? e.message));
  page.on('console', (m) => m.type() === 'error' && errors.push(`${m.text()} (${m.location().url})`));
  page.on('crash', () => errors.push('the page crashed'));
  try {
    await page.goto(url);
    const value = await use(page);
    if (errors.length) throw new Error(`the page reported: ${errors.join('\n')}`);
    return value;
  } catch (e) {
    if (errors.length && !e.message.includes(errors[0])) e.message += `\nthe page reported: ${errors.join('\n')}`;
    throw e;
  } finally {
    await context.close();
  }
}
