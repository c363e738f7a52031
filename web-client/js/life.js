// What is known of one job, as it becomes known: its events from the first on, its tokens with their texts and checks.

import { Log } from './log.js';
import { reportOf, stateEvent } from './shapes.js';

const OVER = ['done', 'refused', 'returned', 'failed'];

export const isOver = (state) => OVER.includes(state);

// A hundred events tell how far a check is.
const STEPS = 100;

export class Life {
  log = new Log();
  view;
  #reader;
  #states = 0;
  #tokens;
  #texts;
  #readable = true;
  #verdict;
  #places;
  #expected = new Map();
  #wanted = false;
  #busy = false;
  #again = false;
  #textsTold = false;
  #told;
  #step = -1;

  /** `reader` gives `texts(model, ids)` and `ending(model, ids)`; both fail where the model is not here. */
  constructor(view, reader) {
    this.#reader = reader;
    this.update(view);
  }

  /** Takes what the light client says of it now. */
  update(view) {
    for (const state of view.states.slice(this.#states)) this.log.add(stateEvent(state));
    this.#states = Math.max(this.#states, view.states.length);
    this.view = view;
    this.#tokens = undefined;
    // Verdicts of this session come by `judge`, and know more. The check after the one that decided is the fuller one.
    const kept = view.checkedAgain ?? view.verdict;
    if (kept && !this.#verdict) this.#judge(kept);
    void this.#catchUp();
  }

  /** Takes a verdict that was computed here; `places` are the positions that it computed. */
  judge(verdict, places) {
    this.#judge(verdict, places);
    void this.#catchUp();
  }

  /** The report on the answer, once there is a verdict. */
  get report() {
    return this.#verdict && reportOf(this.#verdict, this.view.answer?.length ?? 0);
  }

  progress(done, total) {
    const step = total ? Math.floor((done * STEPS) / total) : 0;
    if (step === this.#step) return;
    this.#step = step;
    this.log.add({ type: 'progress', done, total });
  }

  /** Tokens of the answer; their texts are empty until they are read, which begins when somebody wants them. */
  get tokens() {
    this.want();
    this.#tokens ??= Array.from(this.view.answer ?? [], (id, i) => this.#token(id, i));
    return this.#tokens;
  }

  want() {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#catchUp();
  }

  /** Tries again what could not be read: the model may be here now. */
  reread() {
    if (this.#readable) return;
    this.#readable = true;
    this.#texts = undefined;
    void this.#catchUp();
  }

  #judge(verdict, places) {
    this.#verdict = verdict;
    this.#places = places && new Set(places);
    this.#expected.clear();
    this.#tokens = undefined;
    this.#step = -1;
  }

  #token(id, i) {
    const wrong = this.#verdict?.wrong.find(({ position }) => position === i);
    const check = wrong ? 'wrong' : this.#isChecked(i) ? 'right' : 'unchecked';
    const token = { id, text: this.#texts?.[i] ?? '', check };
    if (wrong) token.expected = { id: wrong.expected, text: this.#expected.get(i) ?? bracketed(wrong.expected) };
    return Object.freeze(token);
  }

  // Where a check of an earlier session computed some positions, it is known of the first and the last alone.
  #isChecked(i) {
    if (!this.#verdict?.checked) return false;
    if (this.#places) return this.#places.has(i);
    const { checked, total } = this.report;
    return checked >= total || (checked >= 2 && (i === 0 || i === total - 1));
  }

  // One pass at a time, since reading takes turns with other answers; what came meanwhile is seen by the next.
  async #catchUp() {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#again) {
      this.#again = false;
      while (await this.#next());
    }
    this.#busy = false;
  }

  /** Does the next thing that is to be done; gives whether there may be more. */
  async #next() {
    const { answer, state } = this.view;
    if (answer && !this.#texts) {
      if (!this.#wanted) return false;
      await this.#read(answer);
      return true;
    }
    if (this.#verdict && this.#told !== this.#verdict) {
      const verdict = this.#verdict;
      if (answer && this.#wanted) await this.#readExpected(answer, verdict);
      if (verdict !== this.#verdict) return true;
      this.#told = verdict;
      this.log.add({ type: 'verdict', report: this.report });
      return true;
    }
    if (isOver(state)) this.log.end();
    return false;
  }

  async #read(answer) {
    try {
      this.#texts = await this.#reader.texts(this.view.request.model, answer);
    } catch {
      // Without the model its ids are all there is.
      this.#texts = Array.from(answer, bracketed);
      this.#readable = false;
    }
    this.#tokens = undefined;
    if (this.#textsTold) return;
    this.#textsTold = true;
    this.tokens.forEach((token, index) => this.log.add({ type: 'token', index, token }));
  }

  async #readExpected(answer, { wrong }) {
    for (const { position, expected } of wrong) {
      const ids = [...answer.slice(0, position), expected];
      const text = await this.#reader.ending(this.view.request.model, ids).catch(() => undefined);
      if (text !== undefined) this.#expected.set(position, text);
    }
    this.#tokens = undefined;
  }
}

const bracketed = (id) => `⟨${id}⟩`;
