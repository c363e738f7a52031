import type { JobRequest } from 'camelidcoin';
import { parseAmount } from './amount.ts';

/** What is being written, kept while other views are open. Numbers are texts, as they are typed. */
class Draft {
  model = $state<string>();
  prompt = $state('');
  limit = $state('60');
  verify = $state<NonNullable<JobRequest['verify']>>('full');
  temperature = $state('');
  topK = $state('');
  topP = $state('');
  seed = $state('');
  reward = $state('');

  problems = $derived(problemsOf(this));

  get request(): JobRequest | undefined {
    if (!this.model || !this.prompt.trim() || Object.keys(this.problems).length) return undefined;
    const reward = parseAmount(this.reward);
    return {
      model: this.model,
      prompt: this.prompt,
      limit: Number(this.limit),
      verify: this.verify,
      sampling: this.temperature
        ? {
            temperature: Math.round(Number(this.temperature) * 1_000),
            topK: Number(this.topK || 0),
            topP: Math.round(Number(this.topP || 1) * 1_000_000),
          }
        : undefined,
      seed: this.seed ? BigInt(this.seed) : undefined,
      reward: this.reward && reward.ok ? reward.amount : undefined,
    };
  }
}

type Numbers = Pick<Draft, 'limit' | 'temperature' | 'topK' | 'topP' | 'seed' | 'reward'>;
export type Problems = Partial<Record<keyof Numbers, string>>;

function problemsOf(draft: Numbers): Problems {
  const problems: Problems = {};
  if (!/^[1-9]\d{0,5}$/.test(draft.limit)) problems.limit = 'Write a whole number of tokens, 1 or more.';
  if (draft.temperature && !isBetween(draft.temperature, 0, 10))
    problems.temperature = 'Write a number from 0 to 10, with at most three decimals.';
  if (draft.topK && !/^\d{1,6}$/.test(draft.topK)) problems.topK = 'Write a whole number; 0 takes all.';
  if (draft.topP && !isBetween(draft.topP, 0.001, 1))
    problems.topP = 'Write a number from 0.001 to 1, with at most three decimals.';
  if (draft.seed && !(/^\d{1,20}$/.test(draft.seed) && BigInt(draft.seed) < 2n ** 64n))
    problems.seed = 'Write a whole number below 2⁶⁴.';
  const reward = parseAmount(draft.reward);
  if (draft.reward && !reward.ok) problems.reward = reward.reason;
  return problems;
}

function isBetween(text: string, least: number, most: number): boolean {
  return /^\d{0,2}(\.\d{1,3})?$/.test(text) && Number(text) >= least && Number(text) <= most;
}

export const draft = new Draft();
