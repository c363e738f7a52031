// A model in a worker: computes and checks answers away from the page's main thread. Types and words: model.d.ts.

export class Model {
  #worker;
  #waiting = new Map();
  #next = 0;
  #failed;
  info;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { id, progress, error, broken, value } }) => {
      const request = this.#waiting.get(id);
      if (!request) return;
      if (progress !== undefined) return request.onProgress?.(progress);
      this.#waiting.delete(id);
      if (error !== undefined) request.reject(new Error(error));
      else request.resolve(value);
      if (broken) this.#fail(error);
    };
    worker.onerror = (event) => this.#fail(`the worker failed: ${event.message || 'it could not be loaded'}`);
    worker.onmessageerror = () => this.#fail('a message from the worker could not be read');
  }

  static async load(worker, { signal, ...options }) {
    const model = new Model(worker);
    signal?.addEventListener('abort', () => model.end(), { once: true });
    if (signal?.aborted) model.end();
    // The bytes go over, not a copy: they can be a hundred megabytes and more.
    model.info = await model.#ask('load', options, { transfer: options.transfer ? [options.bytes.buffer] : [] });
    return model;
  }

  get failed() {
    return this.#failed !== undefined;
  }

  #fail(reason) {
    this.#failed ??= new Error(reason);
    for (const { reject } of this.#waiting.values()) reject(this.#failed);
    this.#waiting.clear();
  }

  #ask(name, argument, { onProgress, transfer = [] } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#failed) return reject(this.#failed);
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, name, argument }, transfer);
    });
  }

  prompt(text) {
    return this.#ask('prompt', { text });
  }

  text(ids) {
    return this.#ask('text', { ids });
  }

  texts(ids) {
    return this.#ask('texts', { ids });
  }

  ending(ids) {
    return this.#ask('ending', { ids });
  }

  open() {
    return this.#ask('open');
  }

  close(sequence) {
    return this.#ask('close', { sequence });
  }

  forward(feeds) {
    return this.#ask('forward', { feeds });
  }

  generate(job, onToken) {
    return this.#ask('generate', { seed: 0n, ...job }, { onProgress: ({ token }) => onToken?.(token) });
  }

  check(claim, onProgress) {
    return this.#ask('check', { seed: 0n, ...claim }, { onProgress });
  }

  bench(decode, prefill) {
    return this.#ask('bench', { decode, prefill });
  }

  end() {
    this.#worker.terminate();
    this.#fail('the model was ended');
  }
}
