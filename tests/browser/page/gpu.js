// On the page: the GPU engine with a package, as compare.js wants an engine.

import init, { GpuModel } from '/web/gpu/camelid_web_gpu.js';

const WANTS = { nothing: 0, last: 1, all: 2 };

export async function gpu(bytes) {
  await init();
  const model = await GpuModel.load(bytes);
  return {
    adapter: model.adapter(),
    dispatches: () => model.dispatches(),
    open: () => model.open(),
    close: (sequence) => model.close(sequence),
    forward: (feeds) =>
      model.forward(
        new Float64Array(feeds.map((f) => f.sequence)),
        new Uint32Array(feeds.map((f) => f.tokens.length)),
        new Uint32Array(feeds.flatMap((f) => f.tokens)),
        new Uint8Array(feeds.map((f) => WANTS[f.want])),
      ),
    end: () => model.free(),
  };
}
