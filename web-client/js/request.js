// A prompt's settings, looked at before anything is computed or paid: numbers that WASM would cut to fit are refused.

import { CamelidError } from './errors.js';

const U32 = 2 ** 32 - 1;
const U64 = 2n ** 64n - 1n;
const VERIFY = ['full', 'spot', 'none'];

const bad = (message) => new CamelidError('bad-input', message);
// Of what was given no more than a line.
const shown = (value) => {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

function whole(name, value, least, most) {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw bad(`${name}: expected a whole number from ${least} to ${most}, found ${shown(value)}`);
}

function big(name, value, most) {
  if (typeof value === 'bigint' && value >= 0n && value <= most) return value;
  throw bad(`${name}: expected a bigint from 0 to ${most}, found ${shown(value)}`);
}

/** A random seed: with the same one the answer would be the same. */
const drawn = () => crypto.getRandomValues(new BigUint64Array(1))[0];

/** All settings of a request, those that were left out included. Throws a `bad-input`. */
export function settings(request) {
  const { model, prompt, limit, sampling = {}, seed, verify = 'full', reward } = request ?? {};
  if (typeof model !== 'string' || !/^[0-9a-f]{64}$/.test(model)) {
    throw bad(`model: expected a root of 64 hexadecimal digits, found ${shown(model)}`);
  }
  if (typeof prompt !== 'string' || !prompt) throw bad('prompt: expected a text, found none');
  if (!VERIFY.includes(verify)) throw bad(`verify: expected full, spot or none, found ${shown(verify)}`);
  const temperature = whole('temperature', sampling.temperature ?? 0, 0, 10_000);
  return {
    model,
    prompt,
    limit: whole('limit', limit, 1, U32),
    temperature,
    topK: whole('topK', sampling.topK ?? 0, 0, U32),
    topP: whole('topP', sampling.topP ?? 1_000_000, 1, 1_000_000),
    // Where nothing is drawn there is nothing to vary.
    seed: seed === undefined ? (temperature ? drawn() : 0n) : big('seed', seed, U64),
    verify,
    reward: reward === undefined ? undefined : big('reward', reward, U64 / 2n),
  };
}

/** A payment's amount, before WASM sees it. */
export function amount(value) {
  return value === 'all' ? value : big('amount', value, U64 / 2n);
}

/** The request of a job that was submitted, as index.d.ts has it. */
export function requestOf({ model, prompt, limit, temperature, topK, topP, seed, verify, reward }) {
  const sampling = temperature ? { temperature, topK, topP } : undefined;
  return { model, prompt, limit, sampling, seed, verify, reward };
}
