import type { AnswerToken, CheckReport, JobState } from 'camelidcoin';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkWords, isAtStake, isOver, runsOf, stepsOf, type StateAt } from '../src/lib/job.ts';

const LIFE: JobState[] = [
  'waiting-for-node',
  'computing',
  'paying',
  'waiting-for-block',
  'waiting-for-key',
  'checking',
  'settling',
  'done',
];
const upTo = (state: JobState): StateAt[] =>
  LIFE.slice(0, LIFE.indexOf(state) + 1).map((state, i) => ({ state, at: new Date(i * 1000) }));
const report: CheckReport = {
  valid: true,
  complete: true,
  checked: 40,
  total: 40,
  engine: 'webgpu',
  milliseconds: 10,
  faults: [],
};

test('money is at stake from the payment to the settlement', () => {
  assert.deepEqual(LIFE.filter(isAtStake), ['paying', 'waiting-for-block', 'waiting-for-key', 'checking', 'settling']);
  assert.ok(isAtStake('disputing'));
  assert.deepEqual((['refused', 'returned', 'failed', 'done'] as const).filter(isOver).length, 4);
});

test('a job that is checked shows what was, what is and what comes', () => {
  const steps = stepsOf(upTo('checking'), { height: 1242, reward: 60_000_000n, progress: { done: 12, total: 40 } });
  assert.deepEqual(
    steps.map(({ is }) => is),
    ['past', 'past', 'past', 'past', 'past', 'now', 'next'],
  );
  assert.equal(steps[2]!.text, 'Paid: 0.60 coins are for the node');
  assert.equal(steps[3]!.text, 'In block 1,242');
  assert.equal(steps[5]!.text, 'Checking 12 of 40 tokens');
  // A step's time is when it was done.
  assert.equal(steps[0]!.at!.getTime(), 1000);
});

test('a settled job has nothing to come, a new one everything', () => {
  const steps = stepsOf(upTo('done'), { verdict: report });
  assert.ok(steps.every(({ is }) => is === 'past'));
  assert.equal(steps.at(-2)!.text, 'All 40 tokens are the model’s');
  assert.ok(stepsOf([], {}).every(({ is }) => is === 'next'));
});

test('a wrong answer is marked, and its end comes last', () => {
  const events = [
    ...upTo('checking'),
    { state: 'disputing' as const, at: new Date(9000) },
    { state: 'returned' as const, at: new Date(10_000) },
  ];
  const steps = stepsOf(events, { verdict: { ...report, valid: false } });
  assert.deepEqual(
    steps.slice(-3).map(({ is }) => is),
    ['bad', 'past', 'past'],
  );
  assert.equal(steps.at(-1)!.text, 'The money came back');
});

test('nobody took it: no step to come', () => {
  const steps = stepsOf([...upTo('waiting-for-node'), { state: 'refused', at: new Date(1) }], {});
  assert.equal(steps.at(-1)!.is, 'bad');
  assert.equal(steps.length, 2);
});

test('tokens run together by their check, wrong ones alone', () => {
  const token = (check: AnswerToken['check']): AnswerToken => ({ id: 1, text: 'x', check });
  const runs = runsOf((['right', 'right', 'wrong', 'wrong', 'unchecked', 'right'] as const).map(token));
  assert.deepEqual(
    runs.map(({ check, start, tokens }) => [check, start, tokens.length]),
    [
      ['right', 0, 2],
      ['wrong', 2, 1],
      ['wrong', 3, 1],
      ['unchecked', 4, 1],
      ['right', 5, 1],
    ],
  );
});

test('a badge claims no more than was checked', () => {
  assert.equal(checkWords(report), 'All 40 tokens are the model’s');
  assert.equal(checkWords({ ...report, complete: false, checked: 3 }), '3 of 40 tokens checked');
  assert.equal(checkWords({ ...report, complete: false, checked: 0 }), 'Not checked');
  assert.equal(checkWords({ ...report, valid: false }), 'This is not the model’s answer');
});
