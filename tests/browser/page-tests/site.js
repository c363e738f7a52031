// The page as any server serves it: its files, and beside them a page.json that somebody wrote.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../harness/index.js';
import { serve } from '../harness/server.js';

// The page carries its own policy; this is what only a header can say.
const POLICY = "frame-ancestors 'none'";

/** Serves it with what its page.json says, over https where there is `tls`. Gives { url, say, close }. */
export async function servePage(said, { tls } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'camelid-site-'));
  const file = join(dir, 'page.json');
  const say = (said) => writeFileSync(file, JSON.stringify({ network: 'dev', faucet: false, ...said }));
  say(said);
  const { url, close } = await serve({ '/': join(built(), 'www/'), '/page.json': file }, { policy: POLICY, tls });
  return {
    url: `${url}/`,
    /** From now on page.json says this. */
    say,
    async close() {
      await close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
