// Every failure is a `CamelidError`: one sentence for people, a code for programs.

const CODES = new Set([
  'wrong-password',
  'bad-words',
  'bad-address',
  'too-little-money',
  'in-use',
  'no-peers',
  'offline',
  'refused',
  'storage',
  'other-network',
  'not-found',
  'aborted',
  'bad-input',
  'internal',
]);

// What the browser's own errors mean here.
const NAMES = { AbortError: 'aborted', QuotaExceededError: 'storage', TimeoutError: 'offline' };

export class CamelidError extends Error {
  name = 'CamelidError';

  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

/** Any failure as a `CamelidError`; one that already is comes back as it is. */
export function asCamelidError(error) {
  if (error instanceof CamelidError) return error;
  const code = CODES.has(error?.code) ? error.code : (NAMES[error?.name] ?? 'internal');
  return new CamelidError(code, error instanceof Error ? error.message : String(error), { cause: error });
}

/** The error that an aborted call ends with. */
export const aborted = () => new CamelidError('aborted', 'it was stopped before it was done');
