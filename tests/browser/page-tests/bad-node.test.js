// Servers and nodes that are not what the page needs: it says what is missing, does what it can, and goes on when it comes.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Node, until } from './node.js';
import { servePage } from './site.js';
import { openBrowser, UNREACHABLE } from './visitor.js';

const ALONE = /Looking for nodes|No node answers/;
// What Chromium says of its own accord of a plain WebSocket on a page that came over https.
const BLOCKED = new RegExp(`${UNREACHABLE.source}|Mixed Content`);
let dir, node, stranger, browser, seeds;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'camelid-page-'));
  node = new Node('front', dir, ['--mine', '--mining-threads', '1']);
  await node.command('wallet', 'new');
  await node.start();
  ({ seeds } = await node.get('/page.json'));
  stranger = new Node('stranger', dir, ['--outbound', '0'], { network: 'test' });
  await stranger.start();
  // A certificate that nobody vouches for will do, and a name makes the node a machine that is not this one.
  const flags = ['--ignore-certificate-errors', '--host-resolver-rules=MAP node.test 127.0.0.1'];
  browser = await openBrowser({ flags });
});
after(async () => {
  await browser?.close();
  await stranger?.stop();
  await node?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Somebody at a page whose page.json says this; both are gone after `use`. */
async function visit(said, options, use) {
  const site = await servePage(said, options);
  try {
    const visitor = await browser.visit(site.url, options);
    await use(visitor, site);
    await visitor.leave();
  } finally {
    await site.close();
  }
}

const footer = (visitor, text) => visitor.page.locator('footer').getByRole('link').filter({ hasText: text });

/** Waits until it follows the chain of the node, which has blocks. */
const follows = (visitor) => footer(visitor, /Up to date\s*block [1-9]/).waitFor();

/** The key and certificate that the node made for its WebRTC connections, as servers want them. */
function tls() {
  const pem = readFileSync(node.file('webrtc.pem'), 'utf8').replaceAll('PRIVATE_KEY', 'PRIVATE KEY');
  return { key: pem, cert: pem };
}

/** The node's addresses, those over WebSocket by its name: what a page over https cannot dial. */
const elsewhere = () => seeds.map((seed) => (seed.includes('/ws') ? seed.replace('/ip4/127.0.0.1', '/dns/node.test') : seed));

test('a node that is not there is waited for', async () => {
  await node.stop();
  await visit({ seeds }, { allow: UNREACHABLE }, async (visitor) => {
    await visitor.makeWallet();
    await visitor.view('Network');
    await footer(visitor, ALONE).waitFor();
    await visitor.page.getByText('Without one, nothing new can be seen').waitFor();
    await visitor.page.getByText('None at the moment.').waitFor();
    await visitor.page.getByText(/^The last attempt: \/ip4\/127\.0\.0\.1/).waitFor();
    await node.start();
    await follows(visitor);
  });
});

test('a node of another network is left, and one of this network followed', async () => {
  const { seeds: others } = await stranger.get('/page.json');
  await visit({ seeds: others }, { allow: UNREACHABLE }, async (visitor) => {
    await visitor.view('Network');
    await visitor.page.getByText(/^The last attempt: .* is of network test\/1, this page is for network dev/).waitFor();
    await footer(visitor, ALONE).waitFor();
    await visitor.addNode(seeds.at(-1));
    await follows(visitor);
    assert.equal((await visitor.transports()).length, 1);
    // Whom somebody added is known at the next visit.
    await visitor.page.reload();
    await follows(visitor);
  });
});

test('a node that somebody added is found again, even after a visit without it', async () => {
  // The two nodes do not know of each other: the page can have the second's address from its own storage alone.
  const second = new Node('second', dir, ['--outbound', '0']);
  try {
    await second.start();
    const [address] = (await second.get('/page.json')).seeds;
    const both = (visitor) => until('two nodes', async () => (await visitor.transports()).length === 2);
    await visit({ seeds }, { allow: UNREACHABLE }, async (visitor) => {
      await follows(visitor);
      await visitor.addNode(address);
      await both(visitor);
      await second.stop();
      await visitor.page.reload();
      await follows(visitor);
      // What is kept is written within a second or two of a connection.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      await second.start();
      await visitor.page.reload();
      await both(visitor);
    });
  } finally {
    await second.stop();
  }
});

test('a chain is held to checkpoints, one that is kept already too', async () => {
  await visit({ seeds }, { allow: UNREACHABLE }, async (visitor, site) => {
    await follows(visitor);
    // What is known is written within a second or two.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    site.say({ seeds, checkpoints: [`1:${'ab'.repeat(32)}`] });
    await visitor.page.reload();
    await visitor.view('Network');
    await visitor.page.getByText(/is not used any more: .* at height 1 contradicts the checkpoint abab/).waitFor();
    await footer(visitor, ALONE).waitFor();
    site.say({ seeds, checkpoints: [`1:${(await node.get('/v1/chain/block/1')).hash}`] });
    await visitor.page.reload();
    await follows(visitor);
  });
});

test('over https the page says what it may not dial, and dials WebRTC', async () => {
  await visit({ seeds: elsewhere() }, { tls: tls(), allow: BLOCKED }, async (visitor) => {
    await follows(visitor);
    assert.deepEqual(await visitor.transports(), ['WebRTC']);
    await visitor.page.getByText('This browser lacks something').click();
    await visitor.page.getByText(/^The page came over https\..*no plain WebSocket/).waitFor();
  });
});

test('over https a node with plain WebSocket alone is not reached, and the page says why', async () => {
  const plain = elsewhere().filter((seed) => seed.includes('/ws'));
  await visit({ seeds: plain }, { tls: tls(), allow: BLOCKED }, async (visitor) => {
    await footer(visitor, ALONE).waitFor();
    await visitor.page.getByText('This browser lacks something').click();
    await visitor.page.getByText(/^The page came over https\..*no plain WebSocket/).waitFor();
    await visitor.view('Network');
    await visitor.page.getByText('None at the moment.').waitFor();
    await visitor.page.getByText(/a page that came over https may open no plain WebSocket there/).waitFor();
  });
});

for (const [what, said, words] of [
  ['a network that there is not', { network: 'moon', seeds: [] }, /expected the network main, test or dev, found moon/],
  ['no list of seeds', { seeds: 'all' }, /expected at most 64 addresses as seeds/],
  ['a seed that is no address', { seeds: ['nowhere'] }, /nowhere.*is no address of a node/],
  ['a checkpoint that is none', { seeds: [], checkpoints: ['7:ab'] }, /checkpoint is not HEIGHT:HASH/],
]) {
  test(`a server that names ${what} is told apart from a node`, async () => {
    await visit(said, {}, async (visitor) => {
      await visitor.page.getByRole('heading', { name: 'The wallet did not open' }).waitFor();
      await visitor.alert(words).waitFor();
      await visitor.button('Try again').waitFor();
    });
  });
}
