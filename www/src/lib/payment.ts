import type { Status } from 'camelidcoin';

type Warnings = Pick<Status['warnings'][number], 'text'>[];

/** Why nodes refused a payment, as a warning says; nothing where none does. */
export function refusalOf(warnings: Warnings, txid: string): string | undefined {
  return after(warnings, `transaction ${txid} was refused: `);
}

/** What is wrong with a payment that is on its way, as a warning says. */
export function troubleOf(warnings: Warnings, txid: string): string | undefined {
  return after(warnings, `payment ${txid} `);
}

function after(warnings: Warnings, start: string): string | undefined {
  return warnings.find(({ text }) => text.startsWith(start))?.text.slice(start.length);
}
