// On the page: loads the CPU engine, and the model that a test names.

import { Model } from '/js/model.js';

export async function bytesOf(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The CPU engine with a package. */
export async function cpu(bytes) {
  const worker = new Worker('/js/worker.js', { type: 'module' });
  return Model.load(worker, { module: '/web/worker/camelid_web_worker.js', bytes, transfer: true });
}
