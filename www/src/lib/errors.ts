import type { CamelidError } from 'camelidcoin';

export type Code = CamelidError['code'];

// What to do about each. What happened is the error's own sentence.
const ADVICE: Record<Code, string> = {
  'wrong-password':
    'Type it again; capitals count. Whoever has the twelve words can restore the wallet with a new password.',
  'bad-words': 'Look for a slip: twelve words of the list, in their order, with spaces between.',
  'bad-address': 'Copy the address again from where it came from.',
  'too-little-money': 'Take a smaller amount, or wait until more coins have arrived.',
  'in-use': 'Close it in the other tab, or use it here.',
  'no-peers': 'It goes on as soon as a node is found. Stay online, or add a node under Network.',
  offline: 'Look at your connection. It goes on by itself once there is one.',
  refused: 'Look at the reason: change what it names, or wait, then try again.',
  storage: 'Make room on this device, or allow this page to keep data, then load it again.',
  'other-network': 'It belongs to another network than this page. Check where it came from.',
  'not-found': 'Check it for a slip. What is very new may take a block to appear.',
  aborted: 'Start it again when you like; it goes on where it was.',
  'bad-input': 'Change it and try again.',
  internal: 'Load the page again. Your wallet and paid jobs are kept.',
};

export interface Explained {
  what: string;
  todo: string;
  code: Code;
}

/** An error in two sentences: what happened, and what to do. */
export function explain(error: unknown): Explained {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : typeof error === 'string' ? error : '';
  const what = message ? sentence(message) : 'Something in the page failed, and did not say what.';
  return { what, todo: ADVICE[code], code };
}

export function codeOf(error: unknown): Code {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === 'string' && Object.hasOwn(ADVICE, code)) return code as Code;
  return error instanceof Error && error.name === 'AbortError' ? 'aborted' : 'internal';
}

/** A text as a sentence: from a capital letter to a full stop. */
export function sentence(text: string): string {
  const line = text.trim();
  return `${line[0]!.toUpperCase()}${line.slice(1)}${/[.!?…]$/.test(line) ? '' : '.'}`;
}
