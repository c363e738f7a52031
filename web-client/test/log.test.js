import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../js/log.js';

const all = async (log) => {
  const events = [];
  for await (const event of log) events.push(event);
  return events;
};

test('whoever begins late gets the events from the first on', async () => {
  const log = new Log();
  log.add(1);
  const early = all(log);
  log.add(2);
  await Promise.resolve();
  log.add(3);
  log.end();
  assert.deepEqual(await early, [1, 2, 3]);
  assert.deepEqual(await all(log), [1, 2, 3]);
});

test('after the end nothing is added', async () => {
  const log = new Log();
  log.end();
  log.add(1);
  assert.deepEqual(await all(log), []);
});

test('several follow the same events, and one that stops stops nobody else', async () => {
  const log = new Log();
  const first = (async () => {
    for await (const event of log) return event;
  })();
  const others = [all(log), all(log)];
  for (const event of ['a', 'b']) {
    log.add(event);
    await new Promise(setImmediate);
  }
  log.end();
  assert.equal(await first, 'a');
  assert.deepEqual(await Promise.all(others), [
    ['a', 'b'],
    ['a', 'b'],
  ]);
});
