import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePage } from '../js/page.js';

test('what a node says', () => {
  const said = { network: 'dev', seeds: ['/ip4/127.0.0.1/tcp/1/ws'], checkpoints: ['1:ab'], faucet: true };
  assert.deepEqual(parsePage(JSON.stringify(said)), said);
  const short = parsePage('{"network":"main","seeds":[]}');
  assert.deepEqual([short.checkpoints, short.faucet], [[], false]);
});

for (const [what, text] of [
  ['no JSON', '<!doctype html>'],
  ['nothing', 'null'],
  ['another network', '{"network":"moon","seeds":[]}'],
  ['seeds that are none', '{"network":"dev","seeds":"all"}'],
  ['a seed that is none', '{"network":"dev","seeds":[1]}'],
  ['too many seeds', JSON.stringify({ network: 'dev', seeds: Array(65).fill('/ip4/127.0.0.1') })],
  ['checkpoints that are none', '{"network":"dev","seeds":[],"checkpoints":7}'],
  ['too much', ' '.repeat(70_000)],
]) {
  test(`refused: ${what}`, () => assert.throws(() => parsePage(text), { code: 'internal', message: /page\.json/ }));
}
