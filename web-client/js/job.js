// A job as its user sees it; what is known of it stands in its `Life`.

import { requestOf } from './request.js';
import { createdOf } from './shapes.js';

export class Job {
  #life;
  #hands;

  /** `hands` do what a job can be asked: `cancel`, `forget` and `check`. */
  constructor(life, hands) {
    this.#life = life;
    this.#hands = hands;
  }

  get id() {
    return this.#life.view.id;
  }

  get request() {
    return requestOf(this.#life.view.request);
  }

  get created() {
    return createdOf(this.#life.view);
  }

  get state() {
    return this.#life.view.state;
  }

  get tokens() {
    return this.#life.tokens;
  }

  get text() {
    return this.#life.tokens.map(({ text }) => text).join('');
  }

  get verdict() {
    return this.#life.report;
  }

  get node() {
    return this.#life.view.node;
  }

  get payment() {
    return this.#life.view.payment;
  }

  async cancel() {
    await this.#hands.cancel(this.id);
  }

  async forget() {
    await this.#hands.forget(this.id);
  }

  async check(options = {}) {
    return this.#hands.check(this.#life, options);
  }

  [Symbol.asyncIterator]() {
    this.#life.want();
    return this.#life.log[Symbol.asyncIterator]();
  }
}
