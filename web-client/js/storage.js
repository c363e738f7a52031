// How much the browser keeps for this page, and whether it may throw it away.

const LOOK_EVERY_MS = 10_000;

export class Storage {
  /** What is known so far, in the shape of `Status.storage`; empty where the browser does not tell. */
  known = {};
  #looked = -Infinity;
  #asked = false;

  /** Looks, if the last time is a while ago. */
  async look() {
    const now = performance.now();
    const { storage } = globalThis.navigator;
    if (!storage?.estimate || now - this.#looked < LOOK_EVERY_MS) return;
    this.#looked = now;
    try {
      const [{ usage = 0, quota }, persistent] = await Promise.all([storage.estimate(), storage.persisted()]);
      this.known = { used: usage, quota, persistent };
    } catch {
      // Not told is not known; it is shown, and nothing rests on it.
    }
  }

  /** Asks the browser once not to throw it away: from the wallet on there is something to lose. */
  async persist() {
    const { storage } = globalThis.navigator;
    if (this.#asked || !storage?.persist) return;
    this.#asked = true;
    await storage.persist().catch(() => false);
    this.#looked = -Infinity;
    await this.look();
  }
}
