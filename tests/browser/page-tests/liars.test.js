// Nodes that lie to the page, each about one thing: it finds out, names them, leaves them, and finds its coins with another.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { program } from './node.js';
import { servePage } from './site.js';
import { openBrowser, UNREACHABLE } from './visitor.js';

let nodes, told, browser;

before(async () => {
  nodes = spawn(program('lying-nodes'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: nodes.stdout }), 'line');
  told = JSON.parse(line);
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  if (!nodes) return;
  nodes.stdin.end();
  if (nodes.exitCode === null) await once(nodes, 'exit');
});

for (const [about, why] of [
  ['headers', /headers refused/],
  ['filter-hashes', /its filter hashes up to height 40 are not those that the chain commits to/],
  ['filters', /its filter for height \d+ is not the one that the chain commits to/],
  ['proofs', /its proof of a transaction is wrong/],
  ['blocks', /came with other transactions than its header says/],
]) {
  test(`a node with false ${about} is found out, and the coins are found without it`, async () => {
    const liar = told.liars[about];
    const site = await servePage({ seeds: [liar] });
    try {
      const visitor = await browser.visit(site.url, { allow: UNREACHABLE });
      await visitor.restore(told.words);
      await visitor.heading('Ask a model').waitFor();
      await visitor.view('Network');
      const notice = visitor.page.getByText(`node ${liar.split('/').at(-1)} is not used any more`);
      await notice.waitFor();
      assert.match(await notice.innerText(), why);
      await visitor.addNode(told.honest);
      assert.equal(await visitor.synced(), told.height);
      assert.deepEqual(await visitor.transports(), ['WebSocket']);
      const expected = Number(told.coins.replaceAll(',', ''));
      assert.equal(await visitor.spendable(), expected);
      await visitor.leave();
    } finally {
      await site.close();
    }
  });
}
