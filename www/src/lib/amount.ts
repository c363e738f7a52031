/** Units a coin has. */
export const COIN = 100_000_000n;
const DECIMALS = 8;
/** All coins there will ever be: an amount over it is a slip of the hand. */
const MOST = 100_000_000n * COIN;

const grouped = new Intl.NumberFormat('en');

/** Coins with at least two decimals and as many as there are: 1,234.50, 0.00008994. */
export function formatAmount(units: bigint, signed = false): string {
  const positive = units < 0n ? -units : units;
  const sign = units < 0n ? '−' : signed && units > 0n ? '+' : '';
  return `${sign}${grouped.format(positive / COIN)}.${decimals(positive, 2)}`;
}

/** Coins as a user would type them: 1234.5. */
export function plainAmount(units: bigint): string {
  const rest = decimals(units, 0);
  return `${units / COIN}${rest && `.${rest}`}`;
}

function decimals(units: bigint, least: number): string {
  const all = (units % COIN).toString().padStart(DECIMALS, '0');
  return all.replace(/0+$/, '').padEnd(least, '0');
}

export type Parsed = { ok: true; amount: bigint } | { ok: false; reason: string };

/** Reads coins exactly, or says what is wrong with the text. */
export function parseAmount(text: string): Parsed {
  const trimmed = text.trim();
  if (!trimmed) return no('Write how many coins, like 1.5.');
  if (/^[-−]/.test(trimmed)) return no('An amount is above zero: leave the minus out.');
  // A comma means thousands to one reader and decimals to the next: a factor of a thousand is no place to guess.
  if (trimmed.includes(',')) return no('Write a point before the decimals and no commas, like 1234.5.');
  const match = /^(\d*)(?:\.(\d*))?$/.exec(trimmed);
  if (!match || trimmed === '.') return no('Use digits and one point only, like 1.5.');
  const [, whole = '', part = ''] = match;
  if (part.length > DECIMALS) return no(`A coin has ${DECIMALS} decimals; this has ${part.length}.`);
  // Before it becomes a number, so that a pasted book does not.
  if (whole.replace(/^0+/, '').length > 9) return no('That is more coins than there are.');
  const amount = BigInt(whole || '0') * COIN + BigInt(part.padEnd(DECIMALS, '0'));
  if (amount > MOST) return no('That is more coins than there are.');
  if (amount === 0n) return no('Write an amount above zero.');
  return { ok: true, amount };
}

function no(reason: string): Parsed {
  return { ok: false, reason };
}
