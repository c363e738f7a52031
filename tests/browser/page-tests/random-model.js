// A model of ten million seeded random weights as a llama2.c checkpoint with its tokenizer: what `camelid model import` takes.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SHAPE = { dim: 256, hidden: 768, layers: 12, heads: 8, kvHeads: 4, vocabulary: 2048, context: 256 };
/** Its name once it is imported, and what its package has at least, in bytes: 8 MiB. */
export const RANDOM_MODEL = 'random-weights';
export const RANDOM_BYTES = 8 << 20;

/** Writes it into a folder; gives the checkpoint's file. */
export function writeRandomModel(folder) {
  writeFileSync(join(folder, 'tokenizer.bin'), tokenizer());
  const file = join(folder, `${RANDOM_MODEL}.bin`);
  writeFileSync(file, checkpoint());
  return file;
}

/** Seven numbers, then the weights in the order in which llama2.c writes them. */
function checkpoint() {
  const { dim, hidden, layers, heads, kvHeads, vocabulary, context } = SHAPE;
  const keys = (dim / heads) * kvHeads;
  const layer = dim + 2 * dim * dim + 2 * keys * dim + dim + 3 * hidden * dim;
  const count = vocabulary * dim + layers * layer + dim + (context * dim) / heads;
  const header = Int32Array.of(dim, hidden, layers, heads, kvHeads, vocabulary, context);
  const random = mulberry32(1);
  const weights = Float32Array.from({ length: count }, () => random() / 10 - 0.05);
  return Buffer.concat([Buffer.from(header.buffer), Buffer.from(weights.buffer)]);
}

/** Three control tokens, the bytes, then numbers in words. */
function tokenizer() {
  const names = ['<unk>', '<s>', '</s>'];
  for (let byte = 0; byte < 256; byte++) names.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  while (names.length < SHAPE.vocabulary) names.push(` ${names.length}`);
  const longest = Buffer.alloc(4);
  longest.writeInt32LE(Math.max(...names.map((name) => name.length)));
  const pieces = names.flatMap((name, id) => {
    const head = Buffer.alloc(8);
    head.writeFloatLE(-id, 0);
    head.writeInt32LE(name.length, 4);
    return [head, Buffer.from(name)];
  });
  return Buffer.concat([longest, ...pieces]);
}

/** Numbers from 0 to 1, the same for each seed. */
function mulberry32(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
