// Which engines this browser can compute with, and where their modules lie.

import { gpuEngine } from './gpu.js';
import { adapter } from './lacks.js';

// A worker's `import` knows nothing of the page's address.
const whole = (url) => new URL(url, document.baseURI).href;

/** Makes the worker as `options` want it (index.d.ts); bundlers look for this very expression. */
export function makeWorker({ createWorker, workerUrl }) {
  if (createWorker) return createWorker();
  if (workerUrl) return new Worker(whole(workerUrl), { type: 'module' });
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/** The CPU engine, which every browser can load. */
export function cpuEngine({ workerModuleUrl, workerWasmUrl }) {
  return {
    name: 'wasm-simd',
    module: whole(workerModuleUrl ?? new URL('./worker/camelid_web_worker.js', import.meta.url)),
    wasmUrl: whole(workerWasmUrl ?? new URL('./worker/camelid_web_worker_bg.wasm', import.meta.url)),
  };
}

/** The engines to check answers with, the best first. */
export async function engines(options) {
  const gpu = await gpuOf(options);
  return gpu ? [gpu, cpuEngine(options)] : [cpuEngine(options)];
}

async function gpuOf({ gpu = 'where-there-is-one', gpuModuleUrl, gpuWasmUrl }) {
  const { module, wasm } = gpuEngine() ?? {};
  if (gpu === 'never' || !(gpuModuleUrl ?? module)) return undefined;
  const found = await adapter();
  // An adapter in software computes the same and takes far longer than the CPU engine.
  const software = found?.info?.isFallbackAdapter ?? found?.isFallbackAdapter ?? false;
  if (!found || (software && gpu !== 'any-adapter')) return undefined;
  return { name: 'webgpu', module: whole(gpuModuleUrl ?? module), wasmUrl: whole(gpuWasmUrl ?? wasm) };
}
