// The worker that computes: a dedicated worker of type "module". It loads the WASM module when it is told where that
// is, and then does what model.js asks for, one request after another.

import { ending, texts } from './text.js';

let wasm, model;

// A module with one function: `(i8x16.popcnt (i8x16.splat (i32.const 0)))`.
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

const WANTS = { none: 0, last: 1, all: 2 };

const sampling = (s = {}) => [s.temperature ?? 0, s.topK ?? 0, s.topP ?? 1_000_000];

// Each engine's module has a class of its own. What the GPU gives comes later, so its class is made by a promise.
const ENGINES = {
  'wasm-simd': (bytes) => new wasm.Model(bytes),
  webgpu: (bytes) => wasm.GpuModel.load(bytes),
};

const requests = {
  async load({ engine = 'wasm-simd', module, wasmUrl, bytes }) {
    if (typeof WebAssembly !== 'object' || !WebAssembly.validate(SIMD)) {
      throw new Error(
        'this browser has no WASM SIMD, which checking answers needs: use Chrome 91, Firefox 89, Safari 16.4 or newer',
      );
    }
    if (!wasm) {
      // Bundlers are to leave this alone: the page says where the module lies.
      const loaded = await import(/* @vite-ignore */ /* webpackIgnore: true */ module);
      await loaded.default(wasmUrl ? { module_or_path: wasmUrl } : undefined);
      wasm = loaded;
    }
    model?.free();
    model = undefined;
    model = await ENGINES[engine](bytes);
    if (!model.info || !model.check) throw new Error(`this build of the engine ${engine} cannot check answers`);
    return model.info();
  },
  prompt: ({ text }) => model.prompt(text),
  text: ({ ids }) => model.text(ids),
  texts: ({ ids }) => texts((some) => model.text(some), ids),
  ending: ({ ids }) => ending((some) => model.text(some), ids),
  open: () => model.open(),
  close: ({ sequence }) => model.close(sequence),
  forward: ({ feeds }) =>
    model.forward(
      Uint32Array.from(feeds, (f) => f.sequence),
      Uint32Array.from(feeds, (f) => f.tokens.length),
      Uint32Array.from(feeds.flatMap((f) => Array.from(f.tokens))),
      Uint8Array.from(feeds, (f) => WANTS[f.want ?? 'last'] ?? 255),
    ),
  generate: ({ prompt, sampling: s, seed, limit }, progress) =>
    model.generate(prompt, ...sampling(s), seed, limit, (token) => progress({ token })),
  check: ({ prompt, answer, sampling: s, seed, limit, random }, progress) =>
    model.check(prompt, answer, ...sampling(s), seed, limit, random, (done, total) => progress({ done, total })),
  bench: ({ decode, prefill }) => model.bench(decode, prefill),
};

const message = (e) => (e instanceof Error ? e.message : String(e));

self.onmessage = async ({ data: { id, name, argument } }) => {
  try {
    if (name !== 'load' && !model) throw new Error('no model is loaded');
    const value = await requests[name](argument, (progress) => self.postMessage({ id, progress }));
    self.postMessage({ id, value });
  } catch (e) {
    // A trap of the module (a fault of ours, or no memory left) leaves it in no known state.
    const broken = e instanceof WebAssembly.RuntimeError;
    const error = broken ? `the engine failed: ${message(e)}; start a new worker` : message(e);
    self.postMessage({ id, broken, error });
  }
};
