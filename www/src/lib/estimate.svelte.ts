import type { Estimate, JobRequest } from 'camelidcoin';
import { app } from './app.svelte.ts';

const PAUSE_MS = 300;

/** What the request would cost, reckoned again once its user pauses. The last one stays until the next is there. */
export class Pricing {
  estimate = $state.raw<Estimate>();
  error = $state.raw<unknown>();
  /** Whether `estimate` is that of the request as it is now. */
  current = $state(false);

  constructor(request: () => JobRequest | undefined) {
    $effect(() => {
      const job = request();
      // Who serves what, and what is there to pay with, change the answer too.
      void app.models;
      void app.balance;
      const text = JSON.stringify(job, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
      // A new block does not make the price on the page another one, only old.
      if (text !== this.#text) this.current = false;
      this.#text = text;
      if (!job) {
        this.estimate = undefined;
        this.error = undefined;
        return;
      }
      const timer = setTimeout(() => void this.#ask(job), PAUSE_MS);
      return () => {
        clearTimeout(timer);
        this.#asked++;
      };
    });
  }

  #asked = 0;
  #text: string | undefined;

  async #ask(job: JobRequest): Promise<void> {
    const number = ++this.#asked;
    let estimate: Estimate | undefined;
    let error: unknown;
    try {
      estimate = await app.client.estimate(job);
    } catch (reason) {
      error = reason;
    }
    if (number !== this.#asked) return;
    this.estimate = estimate;
    this.error = error;
    this.current = estimate !== undefined;
  }
}
