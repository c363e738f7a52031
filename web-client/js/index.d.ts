// The package `camelidcoin`: a wallet and prompt client for a web page. One page of API; model.d.ts has the model alone.

import type { Sampling } from './model.js';

/** Units of the coin, 100,000,000 a coin. Always a bigint: a balance may be larger than numbers are exact. */
export type Amount = bigint;

/** Where things are and what to use. Everything may be left out on a page that a node serves: where neither network nor seeds are
 *  given, `page.json` beside the page is asked for them, and where there is none the network is `main`, without seeds. */
export interface Options {
  /** Which network; left out beside seeds, `main`. */
  network?: 'main' | 'test' | 'dev';
  /** Addresses of peers to begin with (multiaddresses, WebRTC-direct or WebSocket). */
  seeds?: string[];
  /** Blocks that the chain is held to, each `HEIGHT:HASH`: whoever tells of another block there is not believed. */
  checkpoints?: string[];
  /** The name under which the browser keeps everything: two apps on one origin take two. */
  storage?: string;
  /** The small module's WASM, where it does not lie as in the package: `light/camelid_web_light_bg.wasm`. */
  wasmUrl?: string | URL;
  /** The worker's script (`worker.js`) and the engine that it loads (`worker/camelid_web_worker.js`, and its `_bg.wasm`). */
  workerUrl?: string | URL;
  workerModuleUrl?: string | URL;
  workerWasmUrl?: string | URL;
  /** The GPU engine (`gpu/camelid_web_gpu.js`, and its `_bg.wasm`). */
  gpuModuleUrl?: string | URL;
  gpuWasmUrl?: string | URL;
  /** Makes the worker, where a URL is not enough: a module worker that runs `camelidcoin/worker.js`. */
  createWorker?: () => Worker;
  /** `never` computes without the GPU even where there is one; `any-adapter` takes one in software too, which is slow. */
  gpu?: 'where-there-is-one' | 'never' | 'any-adapter';
}

/** Opens the client: reads what the browser keeps, begins to find peers and to follow the chain. Another tab that has it open
 *  already is an error with code `in-use`; `takeOver: true` closes it there. */
export function open(options?: Options & { takeOver?: boolean }): Promise<Client>;

/** What the browser lacks, in words for people; empty where all is well. Needs no open client. */
export function lacks(): Promise<{
  what: 'webgpu' | 'webrtc' | 'plain-websocket' | 'locks' | 'storage' | 'persistent-storage' | 'secure-context';
  why: string;
}[]>;

export interface Client {
  readonly network: 'main' | 'test' | 'dev';

  // Keys
  /** `none` before the first visit's choice, `locked` until the password is given. */
  readonly wallet: 'none' | 'locked' | 'open';
  /** Makes a wallet; its words are shown once, and again by `words`. */
  create(password: string): Promise<{ words: string[] }>;
  /** Restores a wallet from its words. `born`: nothing of it is older; left out, the whole chain is looked through. */
  restore(words: string, password: string, born?: Date): Promise<void>;
  unlock(password: string): Promise<void>;
  lock(): Promise<void>;
  /** The backup, for who knows the password. */
  words(password: string): Promise<string[]>;
  changePassword(old: string, next: string): Promise<void>;
  /** Forgets wallet and history in this browser. */
  forget(): Promise<void>;

  // Money
  balance(): Balance;
  /** The next unused address. */
  address(): string;
  /** Whether a text is an address of this network, and if not, why. */
  checkAddress(text: string): { ok: true } | { ok: false; reason: string };
  /** What sending this would cost, without sending; left out, a payment of the usual size. Speeds that there is not enough for are
   *  left out; where there is not enough for any, that is a `too-little-money`. */
  fees(to?: string, amount?: Amount | 'all'): Promise<FeeChoice[]>;
  send(to: string, amount: Amount | 'all', feeRate?: Amount): Promise<{ txid: string; fee: Amount }>;
  history(): HistoryEntry[];

  // Models and jobs
  /** The models that are offered or kept here. */
  models(): Promise<ModelOffer[]>;
  /** Fetches a model, checking each chunk, and keeps it. Goes on where it was. */
  download(root: string, options?: { signal?: AbortSignal; onProgress?: (p: DownloadProgress) => void }): Promise<void>;
  /** A `refused` while an answer that is under way has yet to be checked with it. */
  removeModel(root: string): Promise<void>;
  /** What a prompt would cost, who would answer and who will read it. */
  estimate(job: JobRequest): Promise<Estimate>;
  /** Offers a prompt to the nodes. It is paid once the sealed answer is here. To abort gives up, later too, as long as it is not paid:
   *  after that it changes nothing (`Job.cancel`). */
  submit(job: JobRequest, options?: { signal?: AbortSignal }): Promise<Job>;
  /** The jobs of this wallet that this browser knows, the newest first; those that were under way go on. Empty while it is locked.
   *  A job is the same object each time. */
  jobs(): Job[];

  // Network
  status(): Status;
  /** One block of the best chain, a transaction or a job, from the network and proved as far as it can be. */
  block(heightOrHash: number | string): Promise<BlockInfo>;
  transaction(txid: string): Promise<TransactionInfo>;
  /** Anybody's job, as far as the network knows it. */
  job(id: string): Promise<JobInfo>;
  connect(address: string): Promise<void>;
  /** Coins of the development network, from the node that serves the page. */
  faucet?(): Promise<{ txid: string; amount: Amount }>;

  /** Calls back whenever something that the getters above give has changed; gives the end of it. */
  onChange(listener: (what: 'wallet' | 'balance' | 'history' | 'jobs' | 'status' | 'models') => void): () => void;
  close(): Promise<void>;
  /** Settles when the client has ended: by `close`, or because another tab took over. */
  readonly closed: Promise<'closed' | 'taken-over'>;
}

export interface Balance {
  /** Confirmed and free to spend: what prompts are paid from. */
  confirmed: Amount;
  /** What a payment could use now: `confirmed`, and of `pending` the change of our own payments that a node has taken. */
  spendable: Amount;
  /** On its way in, change of our own payments included. */
  pending: Amount;
  /** Mined, and not old enough to be spent. */
  immature: Amount;
  /** In open jobs: what comes back at the latest at that height, if nobody answers. A wallet that was restored finds open jobs on the
   *  chain that are not among `Client.jobs()`: their money comes back, prompt and answer are on the device that asked. */
  inJobs: { amount: Amount; job: string; returnsAtHeight: number; returnsAbout: Date }[];
}

export interface FeeChoice {
  speed: 'slow' | 'normal' | 'fast';
  /** Units a thousand bytes. */
  rate: Amount;
  /** What the payment costs at that rate. */
  fee: Amount;
  /** What the receiver gets, where receiver and amount were given: of `all`, everything less the fee. */
  amount?: Amount;
  /** Blocks until it is mined, about. */
  blocks: number;
  secondsAbout: number;
}

export interface HistoryEntry {
  txid: string;
  kind: 'received' | 'sent' | 'job-paid' | 'job-settled' | 'job-returned' | 'mined';
  /** Negative where it left us. Fee included. */
  amount: Amount;
  fee?: Amount;
  /** Unset while it waits for a block. */
  height?: number;
  time: Date;
  job?: string;
}

export interface ModelOffer {
  root: string;
  name: string;
  licence: string;
  parameters: number;
  packageLength: number;
  context: number;
  /** Nodes that say they compute it, now. */
  nodes: number;
  /** Units a token, the cheapest; unset where nobody offers. */
  pricePerToken?: Amount;
  /** Bytes kept here; all of them where it can be checked without asking anybody. */
  stored: number;
}

export interface DownloadProgress { done: number; total: number; perSecond: number; secondsLeft?: number; sources: number }

export interface JobRequest {
  model: string;
  prompt: string;
  /** The most tokens of the answer. */
  limit: number;
  /** As in model.d.ts: temperature in thousandths, topP in millionths. Left out, the most likely token is taken. */
  sampling?: Sampling;
  seed?: bigint;
  /** How much of the answer is computed again: every token, three positions, or nothing. */
  verify?: 'full' | 'spot' | 'none';
  /** What the node gets; left out, the least that one asks. */
  reward?: Amount;
}

export interface Estimate {
  /** Unset where the model is not here to read the prompt: the price is then that of the most tokens it can have. */
  promptTokens?: number;
  /** The reward to the node, what the network takes and what is held back until the end. */
  reward: Amount;
  fee: Amount;
  reserve: Amount;
  /** All of it, that leaves the balance once the sealed answer is here. */
  total: Amount;
  /** The least reward that a node asks for this, where one offers. */
  leastReward?: Amount;
  /** Who will read the prompt. */
  readers: { node: string; address: string }[];
  /** Why nobody would answer. `nobody-serves`: no node has the model, or none has as much at stake as the reward asks for. `behind`:
   *  blocks are still to be looked through. */
  problem?: {
    code:
      | 'no-peers' | 'behind' | 'nobody-serves' | 'reward-too-low' | 'too-long' | 'too-little-money' | 'model-not-here' | 'other';
    reason: string;
  };
}

/** A job. Iterating gives its events from the first on, and ends with it. States come as they are; tokens once they can be read, and
 *  the verdict after them. */
export interface Job extends AsyncIterable<JobEvent> {
  readonly id: string;
  readonly request: JobRequest;
  readonly created: Date;
  readonly state: JobState;
  /** Another list whenever one of them is another. */
  readonly tokens: readonly AnswerToken[];
  readonly text: string;
  /** Of the last check: one that was made later stands for the answer from then on. */
  readonly verdict?: CheckReport;
  /** The node that took it, and got the prompt. */
  readonly node?: { node: string; address: string };
  /** What was paid, and where, once it is: the block's height is unset while it waits for one. */
  readonly payment?: { txid: string; height?: number; reward: Amount; fee: Amount; reserve: Amount };
  /** Gives up waiting, before the payment: nothing is lost. After it that is a `refused`, and the job goes on by itself. */
  cancel(): Promise<void>;
  /** Forgets prompt and answer in this browser. An error while the job is not over. */
  forget(): Promise<void>;
  /** Computes the whole answer again. */
  check(options?: { signal?: AbortSignal; onProgress?: (p: { done: number; total: number }) => void }): Promise<CheckReport>;
}

/** In the order in which they come; the second line is what ends a job, `disputing` comes between the two.
 *  `waiting-for-node`: offered, nobody has taken it. `computing`: a node has it and the prompt. `paying`: the sealed answer is here,
 *  the settlement goes out. `waiting-for-key`: mined, the node has yet to open the answer. `settling`: checked, reserve and stake
 *  go back. `disputing`: wrong or never opened, the chain decides.
 *  `done`: settled. `refused`: nobody took it, nothing was paid. `returned`: the money is back. `failed`: it is not. */
export type JobState =
  | 'waiting-for-node' | 'computing' | 'paying' | 'waiting-for-block' | 'waiting-for-key' | 'checking' | 'settling' | 'disputing'
  | 'done' | 'refused' | 'returned' | 'failed';

export type JobEvent =
  | { type: 'state'; state: JobState; at: Date; note?: string }
  | { type: 'token'; index: number; token: AnswerToken }
  | { type: 'progress'; done: number; total: number }
  | { type: 'verdict'; report: CheckReport };

export interface AnswerToken {
  id: number;
  /** Empty until it is read, `⟨id⟩` where the model is not on this device. Joined they are the answer's text. */
  text: string;
  check: 'unchecked' | 'right' | 'wrong';
  /** What the model would have said there, where it is wrong. */
  expected?: { id: number; text: string };
}

export interface CheckReport {
  valid: boolean;
  /** Every position was computed again. */
  complete: boolean;
  checked: number;
  total: number;
  engine: 'webgpu' | 'wasm-simd';
  milliseconds: number;
  faults: string[];
}

export interface Status {
  sync: { state: 'looking-for-peers' | 'headers' | 'filters' | 'up-to-date' | 'silent'; have: number; total: number; secondsLeft?: number };
  height: number;
  tipTime?: Date;
  peers: { id: string; address: string; transport: 'webrtc' | 'websocket'; height: number; roundTrip?: number; agent: string }[];
  blocks: { height: number; hash: string; time: Date }[];
  /** A peer that told something false, and what. */
  warnings: { at: Date; text: string }[];
  storage: { used: number; quota?: number; persistent: boolean };
  /** Why a node that was named is not reached: what the last attempt ended with. */
  trouble?: string;
}

export interface BlockInfo {
  hash: string; height: number; time: Date; previous: string; transactions: string[]; bytes: number; confirmations: number;
}

export interface TransactionInfo {
  txid: string; height?: number; confirmations: number; proved: boolean;
  inputs: { txid: string; index: number }[];
  outputs: { amount: Amount; to: string; contract?: string }[];
  job?: string;
}

export interface JobInfo {
  id: string;
  /** The network's word for where it stands: created, accepted, completed, paid and so on. */
  status: string;
  model?: string;
  node?: string;
  reward?: Amount;
  stake?: Amount;
  /** Its settlement and what followed, the first first. */
  transactions: { txid: string; kind: string; height?: number }[];
}

/** Every failure: one sentence for people, and a code for programs. */
export class CamelidError extends Error {
  readonly code:
    | 'wrong-password' | 'bad-words' | 'bad-address' | 'too-little-money' | 'in-use' | 'no-peers' | 'offline' | 'refused'
    | 'storage' | 'other-network' | 'not-found' | 'aborted' | 'bad-input' | 'internal';
}
