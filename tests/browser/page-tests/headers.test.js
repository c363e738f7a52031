// A long chain of one node: the page reads its headers, checks the work of each, and does not read them again.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Node, program, until } from './node.js';
import { openBrowser } from './visitor.js';

const BLOCKS = Number(process.env.CAMELID_HEADERS ?? 20_000);
const BAR = 20_000;
// Headers are kept in pieces of so many.
const PIECE = 1_000;
let dir, node, browser;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'camelid-page-'));
  node = new Node('front', dir, ['--mine', '--mining-threads', '1']);
  execFileSync(program('long-chain'), [node.file('.'), String(BLOCKS)], { stdio: 'inherit' });
  await node.command('wallet', 'new');
  await node.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await node?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs in the page: notes each height that the page shows, and when. */
function noteHeights() {
  globalThis.heights = [];
  const look = () => {
    const text = document.querySelector('footer a')?.textContent ?? '';
    const [, shown] = /(?:block|chain)\s*([\d,]+)/.exec(text) ?? [];
    const height = shown && Number(shown.replaceAll(',', ''));
    if (height && height !== globalThis.heights.at(-1)?.height) {
      globalThis.heights.push({ height, at: performance.now() });
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
}

const heights = (visitor) => visitor.page.evaluate(() => globalThis.heights);

/** The heights that the page has shown, once the last one is the chain's. */
const allHeights = (visitor) =>
  until('all headers', async () => {
    const seen = await heights(visitor);
    return seen.at(-1)?.height >= BLOCKS && seen;
  }, () => node.log());

/** Pieces of headers that the browser keeps. */
const pieces = (visitor) =>
  visitor.page.evaluate(async () => {
    const answer = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await answer(indexedDB.open('camelid-dev'));
    const count = await answer(database.transaction('headers').objectStore('headers').count());
    database.close();
    return count;
  });

test(`${BLOCKS} headers are synced and checked, and kept`, async (t) => {
  const visitor = await browser.visit(node.page, { init: noteHeights });
  const seen = await allHeights(visitor);
  const last = seen.find(({ height }) => height >= BLOCKS);
  // The first part took the connection with it.
  const [first] = seen;
  const rate = ((last.height - first.height) / (last.at - first.at)) * 1000;
  t.diagnostic(`${Math.round(rate)} headers/s, from ${first.height} to ${last.height}; the bar is ${BAR}`);
  t.diagnostic(`${(last.at / 1000).toFixed(1)} s from opening the page to the last header`);

  // It is the node's chain.
  const { hash } = await node.get(`/v1/chain/block/${BLOCKS}`);
  await visitor.page.goto(`${node.page}#/explorer/block/${BLOCKS}`);
  await visitor.page.getByText(hash).first().waitFor();

  await until('all headers kept', async () => (await pieces(visitor)) > BLOCKS / PIECE);
  await visitor.page.reload();
  const again = await allHeights(visitor);
  assert.ok(again[0].height >= BLOCKS, `after a reload it began at ${again[0].height}`);
  await visitor.leave();
});
