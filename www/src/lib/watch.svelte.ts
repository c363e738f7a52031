import type { AnswerToken, CheckReport, Job, JobState } from 'camelidcoin';
import type { StateAt } from './job.ts';

// Tokens come faster than pages can be drawn.
const EVERY_MS = 40;

/** A job as it happens, from its beginning, however late one begins to watch. */
export class Watch {
  state = $state<JobState>('waiting-for-node');
  events = $state.raw<StateAt[]>([]);
  tokens = $state.raw<readonly AnswerToken[]>([]);
  progress = $state.raw<{ done: number; total: number }>();
  verdict = $state.raw<CheckReport>();
  node = $state.raw<Job['node']>();
  payment = $state.raw<Job['payment']>();

  readonly job: Job;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  #events: StateAt[] = [];
  #progress: { done: number; total: number } | undefined;

  constructor(job: Job) {
    this.job = job;
    this.#draw();
    void this.#follow();
  }

  /** Computes the whole answer again. */
  async check(signal: AbortSignal): Promise<void> {
    try {
      await this.job.check({ signal, onProgress: (progress) => this.#note(progress) });
    } finally {
      this.#progress = undefined;
      this.#draw();
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #follow(): Promise<void> {
    for await (const event of this.job) {
      if (this.#stopped) return;
      if (event.type === 'state') this.#events.push({ state: event.state, at: event.at, note: event.note });
      if (event.type === 'progress') this.#note({ done: event.done, total: event.total });
      else this.#note(event.type === 'verdict' ? undefined : this.#progress);
    }
    this.#draw();
  }

  #note(progress: { done: number; total: number } | undefined): void {
    this.#progress = progress;
    this.#timer ??= setTimeout(() => this.#draw(), EVERY_MS);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped) return;
    this.state = this.job.state;
    this.events = [...this.#events];
    this.tokens = [...this.job.tokens];
    this.progress = this.#progress;
    this.verdict = this.job.verdict;
    this.node = this.job.node;
    this.payment = this.job.payment;
  }
}
