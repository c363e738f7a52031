// What a node that serves the page says beside it: which network, where nodes are, whether it gives coins away.

import { CamelidError } from './errors.js';

const WAIT_MS = 10_000;
const NETWORKS = ['main', 'test', 'dev'];
const MOST_SEEDS = 64;
const MOST_CHECKPOINTS = 512;
const MOST_TEXT = 64 * 1024;

const areTexts = (list, most) =>
  Array.isArray(list) && list.length <= most && list.every((text) => typeof text === 'string');
const beside = (name) => new URL(name, document.baseURI);

/**
 * Reads `page.json` beside the page. Without a connection what it said last time holds; a server that has none is no
 * node's.
 */
export async function readPage(storage) {
  const key = `${storage}.page`;
  let response;
  try {
    response = await fetch(beside('page.json'), { cache: 'no-cache', signal: AbortSignal.timeout(WAIT_MS) });
    if (response.status === 404) return {};
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const text = await response.text();
    const page = parsePage(text);
    keep(key, text);
    return page;
  } catch (error) {
    if (error instanceof CamelidError) throw error;
    const last = kept(key);
    if (last) return parsePage(last);
    throw new CamelidError('offline', 'the server of this page does not say which network it is for', { cause: error });
  }
}

/** `page.json`, checked. */
export function parsePage(text) {
  const bad = (what) => new CamelidError('internal', `page.json beside this page: ${what}; tell who runs the server`);
  if (text.length > MOST_TEXT) throw bad(`expected at most ${MOST_TEXT} characters, found ${text.length}`);
  let page;
  try {
    page = JSON.parse(text);
  } catch {
    throw bad('expected JSON, found something else');
  }
  const { network, seeds, checkpoints = [], faucet } = page ?? {};
  if (!NETWORKS.includes(network)) {
    throw bad(`expected the network main, test or dev, found ${String(network).slice(0, 20)}`);
  }
  if (!areTexts(seeds, MOST_SEEDS)) throw bad(`expected at most ${MOST_SEEDS} addresses as seeds`);
  if (!areTexts(checkpoints, MOST_CHECKPOINTS)) throw bad(`expected at most ${MOST_CHECKPOINTS} checkpoints`);
  return { network, seeds, checkpoints, faucet: faucet === true };
}

/** Asks the node that serves the page for coins. */
export async function askFaucet(address) {
  let answer;
  try {
    const response = await fetch(beside('faucet'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ address }),
      signal: AbortSignal.timeout(WAIT_MS),
    });
    answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new CamelidError('refused', String(answer.error ?? `it answered ${response.status}`));
  } catch (error) {
    if (error instanceof CamelidError) throw error;
    throw new CamelidError('offline', 'the node that serves this page does not answer', { cause: error });
  }
  const { txid, amount_units: units } = answer;
  if (typeof txid !== 'string' || !Number.isSafeInteger(units)) {
    throw new CamelidError('internal', 'the faucet named no transaction or no amount');
  }
  return { txid, amount: BigInt(units) };
}

function keep(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

function kept(key) {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}
