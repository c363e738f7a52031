/** Token ids. */
export type Ids = Uint32Array | number[];

/** What to load. The caller makes the worker (`new Worker(url, { type: 'module' })` on `worker.js`), as its bundler likes. */
export interface LoadOptions {
  /** The URL of the WASM module's JavaScript, `camelid_web_worker.js`. */
  module: string;
  /** The URL of the WASM module, where it does not lie beside its JavaScript. */
  wasmUrl?: string;
  /** The model's package. */
  bytes: Uint8Array;
  /** Whether the bytes may be given to the worker without a copy; they are gone here then. */
  transfer?: boolean;
  /** Which engine the module is; left out, `wasm-simd`. */
  engine?: 'wasm-simd' | 'webgpu';
  /** Ends the worker, in the middle of a computation too. */
  signal?: AbortSignal;
}

/** A model, as it describes itself. */
export interface ModelInfo {
  name: string;
  licence: string;
  /** Its identity: the Merkle root of its package, 64 hexadecimal digits. */
  root: string;
  architecture: 'llama' | 'qwen2' | 'gpt2';
  packageLength: number;
  parameters: number;
  dim: number;
  layers: number;
  /** The most tokens of prompt and answer together. */
  context: number;
  vocabulary: number;
  /** The id that starts every prompt, if any. */
  begin?: number;
  /** Every id that ends an answer. */
  end: Uint32Array;
  /** How it is computed here. */
  kernel: 'simd128' | 'webgpu';
}

/** How tokens are drawn; left out, the most likely one is taken. */
export interface Sampling {
  /** In thousandths, at most 10000; 0 takes the most likely token. */
  temperature?: number;
  /** Only the k most likely; 0 for all. */
  topK?: number;
  /** Only the fewest whose probability reaches this many millionths; 1000000 for all. */
  topP?: number;
}

/** A prompt and how to answer it. */
export interface Job {
  prompt: Ids;
  sampling?: Sampling;
  seed?: bigint;
  /** The most tokens of the answer. */
  limit: number;
}

export interface Generation {
  tokens: Uint32Array;
  reason: 'end-token' | 'limit';
}

/** An answer that someone claims to be the model's. */
export interface Claim extends Job {
  answer: Ids;
  /** Check the first position, the last, and the one that this random number picks; left out, every position. */
  random?: bigint;
}

export type Outcome = 'holds' | 'fails' | 'not-checked';

/** What a check found. */
export interface Verdict {
  /** Nothing wrong was found. */
  valid: boolean;
  /** Every position was computed again: a wrong token cannot have been missed. */
  complete: boolean;
  continuity: Outcome;
  integrity: Outcome;
  truncation: Outcome;
  /** The positions that were computed again, ascending. */
  positions: { index: number; expected: number; found: number; right: boolean }[];
  /** What is wrong with the answer's end or shape. */
  faults: string[];
}

/** Tokens that follow what a sequence holds. */
export interface Feed {
  sequence: number;
  tokens: Ids;
  /** Which of them get logits: the last, if left out. */
  want?: 'none' | 'last' | 'all';
}

/** A model in a worker. Every failure is an `Error` whose message is one sentence for people. */
export class Model {
  /** Loads a model's package. */
  static load(worker: Worker, options: LoadOptions): Promise<Model>;
  readonly info: ModelInfo;
  /** Whether the worker failed or was ended: then a new one is needed. */
  readonly failed: boolean;
  /** A text's ids as a prompt. */
  prompt(text: string): Promise<Uint32Array>;
  /** The text of ids. */
  text(ids: Ids): Promise<string>;
  /** The text of each id; joined they are the text of all. A character in several tokens stands with the last of them. */
  texts(ids: Ids): Promise<string[]>;
  /** What the last of the ids adds to the text of those before it. */
  ending(ids: Ids): Promise<string>;
  /** Computes an answer. */
  generate(job: Job, onToken?: (id: number) => void): Promise<Generation>;
  /** Checks an answer (RASTiC). */
  check(claim: Claim, onProgress?: (progress: { done: number; total: number }) => void): Promise<Verdict>;
  /** Opens an empty sequence. */
  open(): Promise<number>;
  /** Feeds sequences, all in one pass; gives each one's logits with 16 fraction bits, row after row. */
  forward(feeds: Feed[]): Promise<Int32Array[]>;
  /** Forgets a sequence. */
  close(sequence: number): Promise<void>;
  /** Measures: tokens a second one by one, and of a prompt. */
  bench(decode: number, prefill: number): Promise<{ decode: number; prefill: number }>;
  /** Ends the worker; what is still asked for fails. */
  end(): void;
}
