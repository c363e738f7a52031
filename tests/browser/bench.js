// `make bench-wasm`: the WASM module in Chromium against the native engine on one thread, measured in turns in one run.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { start } from './harness/index.js';

const BAR = 0.3;
const [native, models, ...options] = process.argv.slice(2);
const json = options.includes('--json');
const rounds = Number(process.env.CAMELID_BENCH_ROUNDS ?? 3);

const PLANS = [
  { model: 'stories260k', decode: 400, prefill: 512 },
  { model: 'smollm2-135m-shape', decode: 64, prefill: 512 },
];

const harness = await start({ folders: { '/models/': models } });
const rows = [];
try {
  for (const { model, decode, prefill } of PLANS) {
    if (!existsSync(join(models, `${model}.camelid`))) continue;
    await harness.onPage(async (page) => {
      const load = page.evaluate(async (model) => {
        const { bytesOf, cpu } = await import('/engine.js');
        globalThis.engine = await cpu(await bytesOf(`/models/${model}.camelid`));
        return globalThis.engine.info.kernel;
      }, model);
      const kernel = await load;
      const best = { native: { decode: 0, prefill: 0 }, wasm: { decode: 0, prefill: 0 } };
      const keep = (who, speed) => {
        for (const what of ['decode', 'prefill']) best[who][what] = Math.max(best[who][what], speed[what]);
      };
      let nativeKernel;
      for (let round = 0; round < rounds; round++) {
        const arguments_ = ['measure', join(models, `${model}.camelid`), String(decode), String(prefill)];
        const measured = JSON.parse(execFileSync(native, arguments_, { encoding: 'utf8' }));
        nativeKernel = measured.kernel;
        keep('native', measured);
        keep('wasm', await page.evaluate(({ d, p }) => globalThis.engine.bench(d, p), { d: decode, p: prefill }));
      }
      for (const what of ['decode', 'prefill']) {
        const ratio = best.wasm[what] / best.native[what];
        rows.push({ model, what, native: best.native[what], native_kernel: nativeKernel, wasm: best.wasm[what],
          wasm_kernel: kernel, ratio, bar: BAR, reached: ratio >= BAR });
      }
    });
  }
} finally {
  await harness.stop();
}

if (json) {
  console.log(JSON.stringify({ rows }));
} else {
  console.log('| model | what | native, 1 thread, tokens/s | Chromium, tokens/s | ratio | bar | |');
  console.log('|---|---|---|---|---|---|---|');
  for (const r of rows) {
    const names = `${r.native.toFixed(1)} (${r.native_kernel}) | ${r.wasm.toFixed(1)} (${r.wasm_kernel})`;
    console.log(`| ${r.model} | ${r.what} | ${names} | ${r.ratio.toFixed(2)} | ${r.bar} | ${r.reached ? 'reached' : 'missed'} |`);
  }
}
