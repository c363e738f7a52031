import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkTo, readRoute } from '../src/lib/route.ts';

test('every view has its address', () => {
  assert.deepEqual(readRoute(''), { view: 'prompt' });
  assert.deepEqual(readRoute('#/'), { view: 'prompt' });
  assert.deepEqual(readRoute('#/answer/ab12'), { view: 'answer', id: 'ab12' });
  assert.deepEqual(readRoute('#/wallet'), { view: 'wallet', part: '' });
  assert.deepEqual(readRoute('#/wallet/send'), { view: 'wallet', part: 'send' });
  assert.deepEqual(readRoute('#/network/models/'), { view: 'network', part: 'models' });
  assert.deepEqual(readRoute('#/explorer'), { view: 'explorer' });
  assert.deepEqual(readRoute('#/explorer/block/12'), { view: 'explorer', what: 'block', id: '12' });
});

test('anything else is nowhere', () => {
  const strange = [
    '#/answer',
    '#/answer/a/b',
    '#/wallet/spend',
    '#/wallet/send/now',
    '#/explorer/block',
    '#/explorer/coin/1',
    '#/x',
    '#/explorer/block/1/2',
    '#//wallet',
    '#/%',
  ];
  for (const hash of strange) assert.deepEqual(readRoute(hash), { view: 'nowhere' }, hash);
});

test('a link leads back to what it was made of, odd characters included', () => {
  for (const id of ['ab12', 'a/b', 'ä %2f', '1'])
    assert.deepEqual(readRoute(linkTo('answer', id)), { view: 'answer', id });
});
