// Hand-over between tabs: here between holders in one process, over the same channels. Node 24 and newer have the
// browser's locks too; older ones test the way of browsers without them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hold } from '../js/lock.js';

let names = 0;
const fresh = () => `test-${process.pid}-${names++}`;
const inUse = { name: 'CamelidError', code: 'in-use' };

test('one at a time, and the next once it is free', async () => {
  const name = fresh();
  const first = await hold(name);
  await assert.rejects(hold(name), inUse);
  const other = await hold(fresh());
  other.release();
  first.release();
  const second = await hold(name);
  second.release();
});

test('who takes over waits until the other has closed', async () => {
  const name = fresh();
  const first = await hold(name);
  const order = [];
  void first.taken.then(() => {
    order.push('closed');
    first.release();
  });
  const second = await hold(name, { takeOver: true });
  order.push('open');
  assert.deepEqual(order, ['closed', 'open']);
  await assert.rejects(hold(name), inUse);
  second.release();
});

test('who does not close is not waited for', async () => {
  const name = fresh();
  const first = await hold(name);
  const second = await hold(name, { takeOver: true, patience: 50 });
  await first.taken;
  first.release();
  second.release();
});

test('taking over where nobody is opens at once', async () => {
  const lock = await hold(fresh(), { takeOver: true, patience: 50 });
  lock.release();
});
