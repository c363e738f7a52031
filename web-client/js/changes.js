// Who wants to know that something changed, and what did since they were told.

export class Changes {
  #listeners = new Set();
  #changed = new Set();
  #queued = false;
  #before;

  /** `before(topics)` is called ahead of the listeners. */
  constructor(before) {
    this.#before = before;
  }

  /** Calls back at every change from now on; gives the end of it. */
  listen(listener) {
    // The same function twice is two listeners.
    const entry = { listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Notes changes, and tells of them once whoever changes things is done. */
  note(...topics) {
    for (const topic of topics) this.#changed.add(topic);
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => this.tell());
  }

  /** Tells of them now. */
  tell() {
    this.#queued = false;
    const topics = [...this.#changed];
    this.#changed.clear();
    if (topics.length) this.#before(topics);
    for (const topic of topics) {
      for (const { listener } of [...this.#listeners]) {
        try {
          listener(topic);
        } catch (error) {
          // Theirs, not ours: shown as theirs, and the others are called all the same.
          reportError(error);
        }
      }
    }
  }

  /** Nobody is told any more. */
  end() {
    this.#listeners.clear();
    this.#changed.clear();
  }
}
