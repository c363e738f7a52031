// The package's parts that need a real browser: the lock between tabs, and the engine that takes turns in a worker.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, vectors } from './harness/index.js';

const { cases } = JSON.parse(readFileSync(join(vectors(), 'cases.json')));
const given = cases[0];
let harness;

before(async () => {
  harness = await start({ folders: { '/vectors/': vectors() } });
});
after(() => harness.stop());

/** Two tabs of one browser: the first has the lock on `name`, and closes when asked if `polite`. */
async function withHolder(name, polite, use) {
  await harness.onPage(async (first) => {
    await first.evaluate(
      async ([name, polite]) => {
        const { hold } = await import('/js/lock.js');
        const lock = await hold(name);
        globalThis.taken = lock.taken.then(() => {
          if (polite) lock.release();
          return 'taken';
        });
      },
      [name, polite],
    );
    const second = await first.context().newPage();
    await second.goto(harness.url);
    await use(first, second);
  });
}

const take = (page, name, options) =>
  page.evaluate(
    async ([name, options]) => {
      const { hold } = await import('/js/lock.js');
      try {
        globalThis.lock = await hold(name, options);
        return 'held';
      } catch (error) {
        return error.code;
      }
    },
    [name, options],
  );

test('two tabs: the second is told, takes over, and the first hears of it', async () => {
  await withHolder('polite', true, async (first, second) => {
    assert.equal(await take(second, 'polite', {}), 'in-use');
    assert.equal(await take(second, 'polite', { takeOver: true }), 'held');
    assert.equal(await first.evaluate(() => globalThis.taken), 'taken');
    assert.equal(await take(first, 'polite', {}), 'in-use');
  });
});

test('a tab that does not close loses the lock all the same', async () => {
  await withHolder('deaf', false, async (first, second) => {
    assert.equal(await take(second, 'deaf', { takeOver: true, patience: 100 }), 'held');
    assert.equal(await first.evaluate(() => globalThis.taken), 'taken');
    assert.equal(await take(first, 'deaf', {}), 'in-use');
  });
});

test('a tab that is closed leaves the lock', async () => {
  await withHolder('closed', true, async (first, second) => {
    await first.close();
    await second.waitForFunction(async () => !(await navigator.locks.query()).held.length);
    assert.equal(await take(second, 'closed', {}), 'held');
  });
});

/** Runs `act` on a page with an engine for the case's package, and what is needed to ask it. */
const withEngine = (act) =>
  harness.onPage((page) =>
    page.evaluate(
      async ({ given, act }) => {
        const { Engine } = await import('/js/engine.js');
        const { check } = await import('/js/check.js');
        const { bytesOf } = await import('/engine.js');
        const cpu = {
          name: 'wasm-simd',
          module: new URL('/web/worker/camelid_web_worker.js', location.origin).href,
        };
        let workers = 0;
        const engine = new Engine({
          packageOf: async (root) => (root === given.root ? bytesOf(`/vectors/${given.package}`) : undefined),
          makeWorker: () => {
            workers++;
            return new Worker('/js/worker.js', { type: 'module' });
          },
          engines: async () => (act === 'fallback' ? [{ name: 'webgpu', module: '/js/not-here.js' }, cpu] : [cpu]),
        });
        const { prompt, limit, tokens, seed, temperature, topK, topP } = given.answers[0];
        const claim = { model: given.root, prompt, answer: tokens, limit, temperature, topK, topP, seed: BigInt(seed) };
        const acts = {
          async texts() {
            const [texts, whole] = await Promise.all([
              engine.run(given.root, (model) => model.texts(tokens)),
              engine.run(given.root, (model) => model.text(tokens)),
            ]);
            return { joined: texts.join(''), whole, texts: texts.length, tokens: tokens.length, workers };
          },
          async check() {
            const { verdict, places } = await check(engine, claim);
            const answer = [...tokens];
            answer[3] = answer[3] ? 0 : 1;
            const wrong = (await check(engine, { ...claim, answer })).verdict;
            const { length } = tokens;
            return { verdict, places: places.length, tokens: length, wrong: wrong.wrong[0], expected: tokens[3] };
          },
          async abort() {
            const stop = new AbortController();
            const code = (asked) => asked.then(() => 'done', (error) => error.code);
            const { signal } = stop;
            const codes = await Promise.all([
              code(check(engine, claim, { signal, onProgress: () => stop.abort() })),
              code(engine.run(given.root, (model) => model.text(tokens), { signal })),
            ]);
            const { verdict } = await check(engine, claim);
            return { codes, checked: verdict.checked, tokens: tokens.length };
          },
          missing: () => engine.run('00'.repeat(32), () => {}).catch(({ code, message }) => ({ code, message })),
          async fallback() {
            const { verdict } = await check(engine, claim);
            await check(engine, claim);
            return { engine: verdict.engine, workers };
          },
          async end() {
            const running = engine.run(given.root, (model) => model.check(claim));
            engine.end();
            return Promise.all([running, engine.run(given.root, () => {})].map((p) => p.catch(({ code }) => code)));
          },
        };
        return acts[act]();
      },
      { given, act },
    ),
  );

test('texts of tokens joined are the text, from one worker', async () => {
  const { joined, whole, texts, tokens, workers } = await withEngine('texts');
  assert.equal(joined, whole);
  assert.equal(texts, tokens);
  assert.equal(workers, 1);
});

test('a check says what the light client wants to know', async () => {
  const { verdict, places, tokens, wrong, expected } = await withEngine('check');
  assert.deepEqual({ ...verdict, milliseconds: 0 }, {
    checked: tokens,
    wrong: [],
    problem: '',
    milliseconds: 0,
    engine: 'wasm-simd',
  });
  assert.equal(places, tokens);
  assert.equal(wrong.position, 3);
  assert.equal(wrong.expected, expected);
});

test('what is aborted ends, waiting or running, and the next one computes', async () => {
  const { codes, checked, tokens } = await withEngine('abort');
  assert.equal(codes[1], 'aborted');
  // A check of a small model may be done before anybody can stop it.
  assert.ok(['aborted', 'done'].includes(codes[0]), codes[0]);
  assert.equal(checked, tokens);
});

test('a model that is not here is said to be missing', async () => {
  const { code, message } = await withEngine('missing');
  assert.equal(code, 'not-found');
  assert.match(message, /download/);
});

test('where the GPU engine cannot be loaded the CPU engine computes, and the other is not tried again', async () => {
  const { engine, workers } = await withEngine('fallback');
  assert.equal(engine, 'wasm-simd');
  assert.equal(workers, 2);
});

test('an engine that ends fails what is asked of it', async () => {
  assert.deepEqual(await withEngine('end'), ['aborted', 'aborted']);
});
