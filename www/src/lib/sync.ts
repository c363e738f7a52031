import type { Status } from 'camelidcoin';
import { count, lasting } from './words.ts';

const WORDS: Record<Status['sync']['state'], string> = {
  'looking-for-peers': 'Looking for nodes',
  headers: 'Reading the chain',
  filters: 'Looking for your coins',
  'up-to-date': 'Up to date',
  silent: 'No node answers',
};

/** How far the chain is followed, in a few words and in numbers. */
export function syncWords({ sync, height }: Status): { state: string; detail: string } {
  const state = WORDS[sync.state];
  if (sync.state === 'up-to-date') return { state, detail: `block ${count(height)}` };
  if (sync.state === 'looking-for-peers' || sync.state === 'silent') return { state, detail: '' };
  const left = sync.secondsLeft === undefined ? '' : `, ${lasting(sync.secondsLeft)} left`;
  return { state, detail: `${count(sync.have)} of ${count(sync.total)}${left}` };
}
