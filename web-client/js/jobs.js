// The jobs that are known, each one object for as long as it is known.

import { Job } from './job.js';
import { Life } from './life.js';

export class Jobs {
  #views;
  #reader;
  #hands;
  #known = new Map();
  #list = [];
  #stale = true;

  /** `views()` gives what the light client says of all; `reader` and `hands` as `Life` and `Job` want them. */
  constructor({ views, reader, hands }) {
    this.#views = views;
    this.#reader = reader;
    this.#hands = hands;
  }

  /** What it says may be another thing by now. */
  stale() {
    this.#stale = true;
  }

  /** The newest first. */
  list() {
    this.#refresh();
    return [...this.#list];
  }

  job(id) {
    this.#refresh();
    return this.#known.get(id)?.job;
  }

  life(id) {
    this.#refresh();
    return this.#known.get(id)?.life;
  }

  /** A model came: answers that could not be read may be read now. */
  reread() {
    for (const { life } of this.#known.values()) life.reread();
  }

  /** There are none any more. */
  end() {
    for (const { life } of this.#known.values()) life.log.end();
    this.#known.clear();
    this.#list = [];
    this.#stale = false;
  }

  #refresh() {
    if (!this.#stale) return;
    this.#stale = false;
    const views = this.#views();
    const gone = new Set(this.#known.keys());
    for (const view of views) {
      gone.delete(view.id);
      const known = this.#known.get(view.id);
      if (known) known.life.update(view);
      else this.#add(view);
    }
    // Forgotten, or the wallet was locked: whoever follows it is told the end.
    for (const id of gone) {
      this.#known.get(id).life.log.end();
      this.#known.delete(id);
    }
    this.#list = Array.from(this.#known.values(), ({ job }) => job).sort((a, b) => b.created - a.created);
  }

  #add(view) {
    const life = new Life(view, this.#reader);
    this.#known.set(view.id, { life, job: new Job(life, this.#hands) });
  }
}
