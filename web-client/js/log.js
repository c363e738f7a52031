// Events that anybody can follow from the first on, however late they begin.

export class Log {
  #events = [];
  #ended = false;
  #waiting = [];

  /** Adds an event; after the end there is none. */
  add(event) {
    if (this.#ended) return;
    this.#events.push(event);
    this.#wake();
  }

  /** Whoever follows it gets the events that are left, then the end. */
  end() {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (let next = 0; ; next++) {
      while (next === this.#events.length) {
        if (this.#ended) return;
        await new Promise((resolve) => this.#waiting.push(resolve));
      }
      yield this.#events[next];
    }
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
