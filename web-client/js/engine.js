// A worker with one model at a time, made when first needed and ended when nobody has needed it for a while. What is
// asked of it takes turns.

import { aborted, CamelidError } from './errors.js';
import { Model } from './model.js';

// A model can be a hundred megabytes: it is not kept in memory for nothing.
const IDLE_MS = 120_000;

export class Engine {
  #packageOf;
  #makeWorker;
  #engines;
  #tail = Promise.resolve();
  #loaded;
  #loading;
  #idle;
  #ended = false;
  #failing = new Set();

  /** `packageOf(root)` gives a model's package or nothing, `engines()` what to compute with, the best first. */
  constructor({ packageOf, makeWorker, engines }) {
    this.#packageOf = packageOf;
    this.#makeWorker = makeWorker;
    this.#engines = engines;
  }

  /** Runs `use(model, engine)` with a model, once it is loaded and those who asked before are done. */
  run(root, use, { signal } = {}) {
    const turn = this.#tail.then(() => this.#turn(root, use, signal));
    this.#tail = turn.catch(() => {});
    if (!signal) return turn;
    // Who gives up does not wait for their turn.
    return Promise.race([turn, new Promise((_, reject) => onAbort(signal, () => reject(aborted())))]);
  }

  /** Ends the worker; the next turn makes another one. */
  drop() {
    clearTimeout(this.#idle);
    this.#loading?.abort();
    this.#loading = undefined;
    this.#loaded = undefined;
  }

  /** Ends it for good. */
  end() {
    this.#ended = true;
    this.drop();
  }

  async #turn(root, use, signal) {
    if (this.#ended || signal?.aborted) throw aborted();
    clearTimeout(this.#idle);
    // WASM computes until it is done: what is to stop sooner ends with its worker.
    const forget = onAbort(signal, () => this.drop());
    try {
      const { model, engine } = await this.#load(root);
      return await use(model, engine);
    } catch (error) {
      if (this.#ended || signal?.aborted) throw aborted();
      if (this.#loaded?.model.failed) this.drop();
      throw error;
    } finally {
      forget();
      this.#idle = setTimeout(() => this.drop(), IDLE_MS);
      this.#idle.unref?.();
    }
  }

  async #load(root) {
    if (this.#loaded?.root === root) return this.#loaded;
    this.drop();
    const choice = (await this.#engines()).filter(({ name }) => !this.#failing.has(name));
    let reason;
    for (const { name, module, wasmUrl } of choice) {
      const bytes = await this.#packageOf(root);
      if (!bytes) throw new CamelidError('not-found', 'the model is not on this device: download it first');
      const life = new AbortController();
      this.#loading = life;
      try {
        const options = { engine: name, module, wasmUrl, bytes, transfer: true, signal: life.signal };
        const model = await Model.load(this.#makeWorker(), options);
        this.#loaded = { root, model, engine: name };
        return this.#loaded;
      } catch (error) {
        life.abort();
        reason = error;
        // The last one is tried again: it may have been the memory.
        if (name !== choice.at(-1).name) this.#failing.add(name);
      }
    }
    throw reason;
  }
}

/** Calls back when the signal aborts; gives what takes that back. */
function onAbort(signal, act) {
  if (signal?.aborted) act();
  signal?.addEventListener('abort', act, { once: true });
  return () => signal?.removeEventListener('abort', act);
}
