import type { AnswerToken, CheckReport, JobState } from 'camelidcoin';
import { formatAmount } from './amount.ts';
import { count } from './words.ts';

const OVER: readonly JobState[] = ['done', 'refused', 'returned', 'failed'];
const BEFORE_PAYMENT: readonly JobState[] = ['waiting-for-node', 'computing'];

export const isOver = (state: JobState) => OVER.includes(state);
/** Paid and not settled: a bad time to close the page. */
export const isAtStake = (state: JobState) => !isOver(state) && !BEFORE_PAYMENT.includes(state);

/** A job's state in a few words, for lists and for those who listen. */
export const STATE_WORDS: Record<JobState, string> = {
  'waiting-for-node': 'Waiting for a node to take it',
  computing: 'A node computes the answer',
  paying: 'The sealed answer is here, paying',
  'waiting-for-block': 'Paid, waiting for a block',
  'waiting-for-key': 'In a block, waiting for the key to the answer',
  checking: 'Checking the answer',
  settling: 'Checked, settling',
  disputing: 'Disputed, the chain decides',
  done: 'Settled',
  refused: 'Nobody took it, nothing was paid',
  returned: 'The money came back',
  failed: 'The money is lost',
};

export interface StateAt {
  state: JobState;
  at: Date;
  note?: string;
}

export interface Facts {
  height?: number;
  reward?: bigint;
  progress?: { done: number; total: number };
  verdict?: CheckReport;
}

export interface Step {
  text: string;
  is: 'past' | 'now' | 'next' | 'bad';
  at?: Date;
  note?: string;
}

const ORDER: readonly JobState[] = [
  'waiting-for-node',
  'computing',
  'paying',
  'waiting-for-block',
  'waiting-for-key',
  'checking',
  'settling',
];

/** A job's life: what was, with its time, what is, and what is still to come. */
export function stepsOf(events: readonly StateAt[], facts: Facts): Step[] {
  const steps: Step[] = [];
  for (const [i, event] of events.entries()) {
    if (isOver(event.state)) continue;
    const next = events[i + 1];
    steps.push({
      text: next ? past(event.state, facts) : now(event.state, facts),
      is: next ? 'past' : 'now',
      at: next?.at,
      note: event.note,
    });
    if (event.state === 'checking' && next && facts.verdict?.valid === false) steps.at(-1)!.is = 'bad';
  }
  const last = events.at(-1);
  if (last && isOver(last.state)) {
    if (last.state !== 'done')
      steps.push({
        text: STATE_WORDS[last.state],
        is: last.state === 'returned' ? 'past' : 'bad',
        at: last.at,
        note: last.note,
      });
  } else {
    const reached = last ? ORDER.indexOf(last.state) : -1;
    if (last?.state !== 'disputing')
      for (const state of ORDER.slice(reached + 1)) steps.push({ text: NEXT[state]!, is: 'next' });
  }
  return steps;
}

const NEXT: Partial<Record<JobState, string>> = {
  'waiting-for-node': 'A node takes it',
  computing: 'It computes and sends the answer, sealed',
  paying: 'You pay',
  'waiting-for-block': 'The payment is in a block',
  'waiting-for-key': 'The node opens the answer',
  checking: 'The tokens are checked here',
  settling: 'Settled: what was held back returns',
};

function now(state: JobState, facts: Facts): string {
  const { progress } = facts;
  if (state !== 'checking') return STATE_WORDS[state];
  return progress ? `Checking ${count(progress.done)} of ${count(progress.total)} tokens` : 'Checking the answer';
}

function past(state: JobState, { height, reward, verdict }: Facts): string {
  switch (state) {
    case 'waiting-for-node':
      return 'A node took it and got the prompt';
    case 'computing':
      return 'The answer came, sealed';
    case 'paying':
      return reward === undefined ? 'Paid' : `Paid: ${formatAmount(reward)} coins are for the node`;
    case 'waiting-for-block':
      return height === undefined ? 'In a block' : `In block ${count(height)}`;
    case 'waiting-for-key':
      return 'The node opened the answer';
    case 'checking':
      return verdict ? checkWords(verdict) : 'Not checked';
    case 'disputing':
      return 'The chain decided';
    default:
      return 'Settled';
  }
}

/** `All 40 tokens are the model's`. */
export function checkWords(report: CheckReport): string {
  if (!report.valid) return 'This is not the model’s answer';
  if (report.complete)
    return report.total === 1 ? 'The one token is the model’s' : `All ${count(report.total)} tokens are the model’s`;
  return report.checked ? `${count(report.checked)} of ${count(report.total)} tokens checked` : 'Not checked';
}

export interface Run {
  check: AnswerToken['check'];
  /** The first token's place in the answer; 0 is the first. */
  start: number;
  tokens: AnswerToken[];
}

/** Neighbours with the same check in one run; a wrong token is a run of its own, since each has another right one. */
export function runsOf(tokens: readonly AnswerToken[]): Run[] {
  const runs: Run[] = [];
  for (const [start, token] of tokens.entries()) {
    const last = runs.at(-1);
    if (last && last.check === token.check && token.check !== 'wrong') last.tokens.push(token);
    else runs.push({ check: token.check, start, tokens: [token] });
  }
  return runs;
}
