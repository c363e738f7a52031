// The client that a page holds (`Client` in index.d.ts): the light client's module does the work, this gives what it
// tells the shapes of the types, and brings it together with the models that compute.

import { Changes } from './changes.js';
import { aborted, asCamelidError, CamelidError } from './errors.js';
import { Jobs } from './jobs.js';
import { askFaucet } from './page.js';
import { watchPresence } from './presence.js';
import { estimate, submit } from './prompt.js';
import { amount } from './request.js';
import { balanceOf, blockOf, historyOf, seconds, statusOf } from './shapes.js';
import { Storage } from './storage.js';
import { Verifier } from './verifier.js';

export class Client {
  network;
  closed;
  #light;
  #lock;
  #texts;
  #checks;
  #jobs;
  #verifier;
  #storage = new Storage();
  #changes = new Changes((topics) => this.#refresh(topics));
  #ending;
  #status;
  #settle;
  #unwatch;

  /** `texts` and `checks` are engines: reading a prompt does not wait for a check. */
  constructor({ light, lock, network, faucet, texts, checks }) {
    this.network = network;
    this.#light = light;
    this.#lock = lock;
    this.#texts = texts;
    this.#checks = checks;
    this.#jobs = new Jobs({
      views: () => (this.wallet === 'open' ? this.#now((light) => light.jobs()) : []),
      reader: {
        texts: (root, ids) => texts.run(root, (model) => model.texts(ids)),
        ending: (root, ids) => texts.run(root, (model) => model.ending(ids)),
      },
      hands: {
        cancel: (id) => this.#act((light) => light.cancel(id), 'jobs'),
        forget: (id) => this.#act((light) => light.forgetJob(id), 'jobs'),
        check: (life, options) => this.#ask(() => this.#verifier.again(life, options)),
      },
    });
    this.#verifier = new Verifier({
      engine: checks,
      lifeOf: (id) => this.#jobs.life(id),
      tell: (ask) => this.#act(ask, 'jobs'),
    });
    this.closed = new Promise((resolve) => (this.#settle = resolve));
    void lock.taken.then(() => this.#end('taken-over'));
    if (faucet) this.faucet = () => this.#ask(() => askFaucet(this.address()));
    this.#unwatch = watchPresence({
      pause: () => light.pause(),
      nudge: () => light.nudge(),
      gone: () => void this.#end('closed'),
    });
    void this.#storage.look().then(() => this.#note('status'));
    if (this.wallet === 'open') void this.#persist();
  }

  get wallet() {
    return this.#ending ? 'locked' : this.#now((light) => light.wallet());
  }

  async create(password) {
    return { words: await this.#key((light) => light.create(password)) };
  }

  async restore(words, password, born) {
    await this.#key((light) => light.restore(words, password, born && seconds(born)));
  }

  async unlock(password) {
    await this.#key((light) => light.unlock(password));
  }

  async lock() {
    await this.#key((light) => light.lock());
  }

  words(password) {
    return this.#ask((light) => light.words(password));
  }

  changePassword(old, next) {
    return this.#ask((light) => light.changePassword(old, next));
  }

  async forget() {
    await this.#key((light) => light.forget());
  }

  balance() {
    return balanceOf(this.#now((light) => light.balance()));
  }

  address() {
    return this.#now((light) => light.address());
  }

  checkAddress(text) {
    return this.#now((light) => light.checkAddress(text));
  }

  fees(to, value) {
    return this.#ask((light) => light.fees(to, value === undefined ? undefined : amount(value)));
  }

  send(to, value, feeRate) {
    return this.#act((light) => light.send(to, amount(value), feeRate), 'balance', 'history');
  }

  history() {
    return historyOf(this.#now((light) => light.history()));
  }

  models() {
    return this.#ask((light) => light.models());
  }

  download(root, { signal, onProgress } = {}) {
    return this.#act((light) => light.download(root, (progress) => onProgress?.(progress), signal), 'models', 'status');
  }

  removeModel(root) {
    return this.#act((light) => light.removeModel(root), 'models', 'status');
  }

  estimate(request) {
    return this.#ask((light) => estimate(light, this.#texts, request));
  }

  async submit(request, { signal } = {}) {
    const id = await this.#act((light) => submit(light, this.#texts, request, signal), 'jobs');
    const job = this.#jobs.job(id);
    if (!job) throw new CamelidError('internal', 'the job was made and is not there');
    if (signal?.aborted) {
      await job.cancel();
      throw aborted();
    }
    // Once it is paid or over there is nothing left to give up, and it says so.
    signal?.addEventListener('abort', () => job.cancel().catch(() => {}), { once: true });
    return job;
  }

  jobs() {
    return this.#jobs.list();
  }

  status() {
    if (!this.#ending) {
      void this.#storage.look();
      this.#status = statusOf(
        this.#now((light) => light.status()),
        this.#storage.known,
      );
    }
    return this.#status;
  }

  block(heightOrHash) {
    return this.#ask(async (light) => blockOf(await light.block(String(heightOrHash))));
  }

  transaction(txid) {
    return this.#ask((light) => light.transaction(txid));
  }

  job(id) {
    return this.#ask((light) => light.job(id));
  }

  connect(address) {
    return this.#ask((light) => light.connect(address));
  }

  onChange(listener) {
    return this.#changes.listen(listener);
  }

  close() {
    return this.#end('closed');
  }

  /** Takes what the light client says of its own accord. For open.js. */
  hear(event) {
    if (this.#ending) return;
    if (event.type === 'changed') this.#note(event.what);
    // As with changes: it is not asked anything while it speaks.
    else if (event.type === 'verify') queueMicrotask(() => this.#ending ?? this.#verifier.verify(event));
  }

  // Asks the light client for something that is there.
  #now(ask) {
    if (this.#ending) throw new CamelidError('aborted', 'the wallet is closed in this tab: open it again');
    try {
      return ask(this.#light);
    } catch (error) {
      throw asCamelidError(error);
    }
  }

  // Asks it for something that takes its time.
  async #ask(ask) {
    try {
      return await this.#now(ask);
    } catch (error) {
      throw asCamelidError(error);
    }
  }

  // Does something after which `topics` are others: who waits for it sees them changed.
  async #act(ask, ...topics) {
    try {
      return await this.#ask(ask);
    } finally {
      if (!this.#ending) {
        this.#note(...topics);
        this.#changes.tell();
      }
    }
  }

  // Something that opens, closes or exchanges the wallet.
  async #key(ask) {
    const value = await this.#act(ask, 'wallet', 'balance', 'history', 'jobs');
    if (this.wallet === 'open') void this.#persist();
    return value;
  }

  async #persist() {
    await this.#storage.persist();
    this.#note('status');
  }

  #note(...topics) {
    if (this.#ending) return;
    if (topics.some(movesJobs)) this.#jobs.stale();
    this.#changes.note(...topics);
  }

  #refresh(topics) {
    if (topics.includes('models')) this.#jobs.reread();
    // Who follows a job hears of it without asking for the list.
    if (topics.some(movesJobs)) this.#jobs.list();
  }

  #end(why) {
    this.#ending ??= this.#endOnce(why);
    return this.#ending;
  }

  async #endOnce(why) {
    this.#unwatch();
    try {
      // What stays to be read.
      this.status();
      // Who took over may have written more by now.
      await this.#light.close(why !== 'taken-over');
    } catch (error) {
      // Nobody is there to take it, and the lock has to go either way.
      reportError(error);
    }
    for (const part of [this.#texts, this.#checks, this.#jobs, this.#changes]) part.end();
    this.#lock.release();
    this.#settle(why);
  }
}

const movesJobs = (topic) => topic === 'jobs' || topic === 'wallet';
