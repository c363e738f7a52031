// Checks answers: those that the light client asks to be checked, and those that somebody wants to see checked again.

import { check } from './check.js';
import { CamelidError } from './errors.js';

export class Verifier {
  #engine;
  #lifeOf;
  #tell;
  #under = new Set();

  /** `lifeOf(id)` gives what is known of a job, `tell(ask)` tells the light client something about one. */
  constructor({ engine, lifeOf, tell }) {
    this.#engine = engine;
    this.#lifeOf = lifeOf;
    this.#tell = tell;
  }

  /** Checks what the light client asks for, and tells it. */
  async verify({ job, mode, random, ...claim }) {
    if (this.#under.has(job)) return;
    this.#under.add(job);
    try {
      const life = this.#lifeOf(job);
      const onProgress = ({ done, total }) => life?.progress(done, total);
      const asked = { ...claim, random: mode === 'spot' ? random : undefined };
      const { verdict, places } = await check(this.#engine, asked, { onProgress });
      life?.judge(verdict, places);
      await this.#tell((light) => light.verified(job, verdict));
    } catch (error) {
      // It is asked for again later. Where this fails too, the client is closed or locked: it is asked for after that.
      await this.#tell((light) => light.verifyFailed(job, error.message)).catch(() => {});
    } finally {
      this.#under.delete(job);
    }
  }

  /** Computes the whole answer again; gives the report. */
  async again(life, { signal, onProgress }) {
    const { id, request, promptTokens: prompt, answer } = life.view;
    if (!answer) throw new CamelidError('bad-input', 'there is no answer to check yet');
    const { model, limit, temperature, topK, topP, seed } = request;
    const claim = { model, prompt, answer, limit, temperature, topK, topP, seed };
    const { verdict, places } = await check(this.#engine, claim, { signal, onProgress });
    life.judge(verdict, places);
    await this.#tell((light) => light.verified(id, verdict));
    return life.report;
  }
}
