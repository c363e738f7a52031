import type { JobRequest } from 'camelidcoin';
import { app } from './app.svelte.ts';
import { draft } from './draft.svelte.ts';
import { linkTo } from './route.ts';
import { router } from './router.svelte.ts';

/** The prompt on its way to the nodes, one at a time. It goes on while other views are open. */
class Sending {
  busy = $state(false);
  error = $state.raw<unknown>();

  async send(request: JobRequest): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.error = undefined;
    try {
      const job = await app.client.submit(request);
      // Who wrote on meanwhile keeps what they wrote, and who went elsewhere stays there.
      if (draft.prompt === request.prompt) draft.prompt = '';
      if (router.route.view === 'prompt') router.go(linkTo('answer', job.id));
    } catch (reason) {
      this.error = reason;
    }
    this.busy = false;
  }

  /** What failed was seen. */
  seen(): void {
    if (!this.busy) this.error = undefined;
  }
}

export const sending = new Sending();
