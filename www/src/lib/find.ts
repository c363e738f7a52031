import type { BlockInfo, Client, JobInfo, TransactionInfo } from 'camelidcoin';
import { codeOf } from './errors.ts';
import type { Found } from './route.ts';

export type Entry =
  | { what: 'block'; block: BlockInfo }
  | { what: 'transaction'; transaction: TransactionInfo }
  | { what: 'job'; job: JobInfo };

/** Asks the network; a hash of unknown kind is tried as each. */
export async function find(client: Client, what: Found, id: string): Promise<Entry> {
  if (what === 'block') return { what, block: await client.block(/^\d{1,9}$/.test(id) ? Number(id) : id) };
  if (what === 'transaction') return { what, transaction: await client.transaction(id) };
  if (what === 'job') return { what, job: await client.job(id) };
  let missing: unknown;
  for (const kind of ['transaction', 'job', 'block'] as const) {
    try {
      return await find(client, kind, id);
    } catch (error) {
      if (codeOf(error) !== 'not-found') throw error;
      missing = error;
    }
  }
  throw missing;
}
