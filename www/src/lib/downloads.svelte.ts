import type { DownloadProgress } from 'camelidcoin';
import { SvelteMap } from 'svelte/reactivity';
import { app } from './app.svelte.ts';
import { codeOf } from './errors.ts';

interface Download {
  progress?: DownloadProgress;
  error?: unknown;
  stop: () => void;
}

/** Downloads under way and those that failed, by the model's root. They go on while other views are open. */
const running = new SvelteMap<string, Download>();

export const downloadOf = (root: string) => running.get(root);

export async function download(root: string): Promise<void> {
  if (running.has(root) && !running.get(root)?.error) return;
  const abort = new AbortController();
  const stop = () => abort.abort();
  running.set(root, { stop });
  try {
    await app.client.download(root, {
      signal: abort.signal,
      onProgress: (progress) => running.set(root, { progress, stop }),
    });
    running.delete(root);
  } catch (error) {
    if (codeOf(error) === 'aborted') running.delete(root);
    else running.set(root, { error, stop });
  }
}
