// A development network for the page: one node that mines, serves the page and its faucet, and compute nodes behind it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Node, TCP, until, WEBRTC } from './node.js';

const MODEL = 'camelid-tiny';
const COIN = 100_000_000;
// Coins that a compute node gets: as many jobs at once may be staked.
const STAKES = 4;
const STAKE = 20;

/**
 * Starts it with `computes` compute nodes, funded. `cheat`, if given, is how all of them cheat; `oneConnection`: pages
 * reach the node in front alone, over WebRTC alone; `checkpoint`: a model that this node has beside its own, as its file.
 */
export async function startNetwork({ computes = 1, cheat, oneConnection = false, checkpoint } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'camelid-page-'));
  const front = new Node('front', dir, ['--mine', '--mining-threads', '1', '--faucet'], {
    listen: oneConnection ? [TCP, WEBRTC] : undefined,
  });
  const nodes = [front];
  const about = () => nodes.map((node) => node.log()).join('\n');
  await front.command('wallet', 'new');
  if (checkpoint) await front.command('model', 'import', checkpoint);
  await front.start();
  const hub = await front.address();
  for (let n = 1; n <= computes; n++) {
    const args = ['--peer', hub, '--compute', MODEL, ...(cheat ? ['--cheat', cheat] : [])];
    const node = new Node(`compute-${n}`, dir, args, { listen: oneConnection ? [TCP] : undefined });
    nodes.push(node);
    await node.command('wallet', 'new');
    await node.start();
  }
  const confirmed = async (node) => (await node.get('/v1/wallet/balance')).confirmed_units;
  // The faucet pays visitors from the same wallet.
  const needed = (computes * STAKES + 5) * (STAKE + 1) * COIN;
  await until('the first mined coins', async () => (await confirmed(front)) >= needed, about);
  for (const node of nodes.slice(1)) {
    const { address } = await node.get('/v1/wallet/address');
    for (let n = 0; n < STAKES; n++) {
      await front.post('/v1/wallet/send', { address, amount_units: STAKE * COIN });
    }
    await until('coins to stake', async () => (await confirmed(node)) >= STAKES * STAKE * COIN, about);
  }
  return {
    front,
    computes: nodes.slice(1),
    url: front.page,
    model: MODEL,
    about,
    /** Kills all nodes at once: pages know addresses of each. */
    kill: () => Promise.all(nodes.map((node) => node.kill())),
    /** Starts them again where they were. */
    async startAgain() {
      for (const node of nodes) await node.start();
    },
    async stop() {
      for (const node of nodes.toReversed()) await node.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
