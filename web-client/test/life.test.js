import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jobs } from '../js/jobs.js';

const WORDS = ['Once', ' upon', ' a', ' time', '.'];
const STATES = [
  'waiting-for-node',
  'computing',
  'paying',
  'waiting-for-block',
  'waiting-for-key',
  'checking',
  'settling',
  'done',
];
const right = { checked: 4, wrong: [], problem: '', milliseconds: 12, engine: 'wasm-simd' };

/** A job as the light client tells of it, `state` included. */
const view = (state, more = {}) => ({
  id: 'ab'.repeat(32),
  request: {
    model: 'cd'.repeat(32),
    prompt: 'Once',
    limit: 4,
    temperature: 0,
    topK: 0,
    topP: 1_000_000,
    seed: 0n,
    verify: 'full',
    reward: 5n,
  },
  created: 1_000,
  state,
  states: STATES.slice(0, STATES.indexOf(state) + 1).map((state, i) => ({ state, at: 1_000 + i })),
  promptTokens: Uint32Array.of(0),
  ...more,
});
const answer = Uint32Array.of(1, 2, 3, 4);

/** The jobs of a light client that says `said.views`; `said.here` says whether the model is here. */
function jobsOf(said) {
  const read = async (make) => {
    if (said.here === false) throw new Error('the model is not on this device');
    return make();
  };
  return new Jobs({
    views: () => said.views,
    reader: {
      texts: (_, ids) => read(() => Array.from(ids, (id) => WORDS[id])),
      ending: (_, ids) => read(() => WORDS[ids.at(-1)]),
    },
    hands: { check: (life) => life },
  });
}

const follow = async (job) => {
  const events = [];
  for await (const event of job) events.push(event);
  return events;
};
const kinds = (events) => events.map((event) => event.state ?? event.type);

test('a job that is over replays its whole life, then ends', async () => {
  const [job] = jobsOf({ views: [view('done', { answer, verdict: right })] }).list();
  const events = await follow(job);
  assert.deepEqual(kinds(events), [...STATES, 'token', 'token', 'token', 'token', 'verdict']);
  assert.deepEqual(events[1].at, new Date(1_001_000));
  assert.equal(job.text, ' upon a time.');
  assert.deepEqual(
    job.tokens.map(({ check }) => check),
    Array(4).fill('right'),
  );
  assert.deepEqual(await follow(job), events);
});

test('whoever follows it from the start sees the same as who comes late', async () => {
  const said = { views: [view('computing')] };
  const jobs = jobsOf(said);
  const [job] = jobs.list();
  const early = follow(job);
  for (const views of [[view('checking', { answer })], [view('done', { answer, verdict: right })]]) {
    said.views = views;
    jobs.stale();
    assert.equal(jobs.list()[0], job);
    await new Promise(setImmediate);
  }
  const late = await follow(job);
  assert.deepEqual(await early, late);
  assert.deepEqual(kinds(late).slice(0, 7), [...STATES.slice(0, 6), 'token']);
  assert.deepEqual(job.verdict, {
    valid: true,
    complete: true,
    checked: 4,
    total: 4,
    engine: 'wasm-simd',
    milliseconds: 12,
    faults: [],
  });
});

test('a check again changes the tokens in place', async () => {
  const jobs = jobsOf({ views: [view('done', { answer, verdict: { ...right, checked: 0 } })] });
  const [job] = jobs.list();
  await follow(job);
  const before = job.tokens;
  assert.deepEqual(
    before.map(({ check }) => check),
    Array(4).fill('unchecked'),
  );
  const wrong = [{ position: 2, found: 3, expected: 0 }];
  jobs.life(job.id).judge({ ...right, wrong }, [0, 1, 2, 3]);
  await new Promise(setImmediate);
  assert.notEqual(job.tokens, before);
  assert.deepEqual(job.tokens[2], { id: 3, text: ' time', check: 'wrong', expected: { id: 0, text: 'Once' } });
  assert.equal(job.verdict.valid, false);
  assert.equal(job.verdict.complete, true);
});

test('of a spot check the places that were computed are tinted, later the first and the last', async () => {
  const spot = { ...right, checked: 3 };
  const jobs = jobsOf({ views: [view('settling', { answer, verdict: spot })] });
  const [job] = jobs.list();
  const checks = () => job.tokens.map(({ check }) => (check === 'right' ? 1 : 0));
  assert.deepEqual(checks(), [1, 0, 0, 1]);
  jobs.life(job.id).judge(spot, [0, 2, 3]);
  assert.deepEqual(checks(), [1, 0, 1, 1]);
  assert.equal(job.verdict.complete, false);
});

test('a check that was made later stands for the answer after a reload', async () => {
  const spot = { ...right, checked: 3 };
  const [job] = jobsOf({ views: [view('done', { answer, verdict: spot, checkedAgain: right })] }).list();
  const events = await follow(job);
  assert.equal(events.filter(({ type }) => type === 'verdict').length, 1);
  assert.deepEqual(
    job.tokens.map(({ check }) => check),
    Array(4).fill('right'),
  );
  assert.equal(job.verdict.complete, true);
});

test('an answer taken without a check has the verdict of the one that was made later', () => {
  const wrong = [{ position: 1, found: 2, expected: 0 }];
  const [job] = jobsOf({ views: [view('done', { answer, checkedAgain: { ...right, wrong } })] }).list();
  assert.equal(job.verdict.valid, false);
  assert.equal(job.tokens[1].check, 'wrong');
});

test('without the model ids stand for texts until it comes', async () => {
  const said = { views: [view('done', { answer, verdict: right })], here: false };
  const jobs = jobsOf(said);
  const [job] = jobs.list();
  assert.equal((await follow(job)).filter(({ type }) => type === 'token').length, 4);
  assert.equal(job.text, '⟨1⟩⟨2⟩⟨3⟩⟨4⟩');
  said.here = true;
  jobs.reread();
  await new Promise(setImmediate);
  assert.equal(job.text, ' upon a time.');
});

test('progress comes a hundred times at most', async () => {
  const said = { views: [view('checking', { answer })] };
  const jobs = jobsOf(said);
  const [job] = jobs.list();
  const events = follow(job);
  await new Promise(setImmediate);
  for (let done = 0; done <= 5_000; done++) jobs.life(job.id).progress(done, 5_000);
  jobs.life(job.id).judge(right, [0, 1, 2, 3]);
  said.views = [view('done', { answer, verdict: right })];
  jobs.stale();
  jobs.list();
  const progress = (await events).filter(({ type }) => type === 'progress');
  assert.equal(progress.length, 101);
  assert.deepEqual(progress.at(-1), { type: 'progress', done: 5_000, total: 5_000 });
});

test('a job that is forgotten ends for whoever follows it', async () => {
  const said = { views: [view('computing')] };
  const jobs = jobsOf(said);
  const events = follow(jobs.list()[0]);
  said.views = [];
  jobs.stale();
  assert.deepEqual(jobs.list(), []);
  assert.deepEqual(kinds(await events), ['waiting-for-node', 'computing']);
});

test('an answer that never opened is a verdict without tokens', async () => {
  const garbage = { ...right, checked: 0, problem: 'what came does not open' };
  const [job] = jobsOf({ views: [view('done', { verdict: garbage })] }).list();
  const events = await follow(job);
  assert.equal(events.at(-1).type, 'verdict');
  assert.deepEqual(job.verdict.faults, ['what came does not open']);
  assert.equal(job.verdict.complete, false);
  assert.deepEqual(job.tokens, []);
});
