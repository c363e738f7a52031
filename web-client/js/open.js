// Opens the client: the lock first, then the small module, which begins to follow the chain.

import { Client } from './client.js';
import { Engine } from './engine.js';
import { cpuEngine, engines, makeWorker } from './engines.js';
import { asCamelidError, CamelidError } from './errors.js';
import { hold } from './lock.js';
import { readPage } from './page.js';

const VERSION = '0.1.0';
const STORAGE = 'camelid';

export async function open(options = {}) {
  if (typeof document === 'undefined') {
    throw new CamelidError('bad-input', 'open works in a browser: on a server, import the package and call it later');
  }
  try {
    return await start(options);
  } catch (error) {
    throw asCamelidError(error);
  }
}

async function start({ takeOver, ...options }) {
  const storage = options.storage ?? STORAGE;
  const lock = await hold(storage, { takeOver });
  try {
    // Who names neither is on a page that a node serves.
    const page = options.network || options.seeds ? {} : await readPage(storage);
    const network = options.network ?? page.network ?? 'main';
    const seeds = options.seeds ?? page.seeds ?? [];
    const checkpoints = options.checkpoints ?? page.checkpoints ?? [];
    const { default: load, Light } = await import('./light/camelid_web_light.js');
    await load(options.wasmUrl ? { module_or_path: options.wasmUrl } : undefined);

    // It may speak before there is anybody to hear.
    const early = [];
    let client;
    const hear = (event) => (client ? client.hear(event) : early.push(event));
    const light = await Light.open({ network, storage, seeds, checkpoints, agent: `camelidcoin/${VERSION}` }, hear);

    const parts = { packageOf: (root) => light.package(root), makeWorker: () => makeWorker(options) };
    client = new Client({
      light,
      lock,
      network,
      faucet: page.faucet === true,
      texts: new Engine({ ...parts, engines: async () => [cpuEngine(options)] }),
      checks: new Engine({ ...parts, engines: () => engines(options) }),
    });
    for (const event of early) client.hear(event);
    return client;
  } catch (error) {
    lock.release();
    throw error;
  }
}
