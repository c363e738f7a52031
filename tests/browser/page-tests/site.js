// The page as any server serves it: its files, and beside them a page.json that somebody wrote.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../harness/index.js';
import { serve } from '../harness/server.js';

// The page carries its own policy; this is what only a header can say.
const POLICY = "frame-ancestors 'none'";

/** Serves it with what its page.json says, over https where there is `tls`. Gives { url, close }. */
export async function servePage(said, { tls } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'camelid-site-'));
  const file = join(dir, 'page.json');
  writeFileSync(file, JSON.stringify({ network: 'dev', faucet: false, ...said }));
  const { url, close } = await serve({ '/': join(built(), 'www/'), '/page.json': file }, { policy: POLICY, tls });
  return {
    url: `${url}/`,
    async close() {
      await close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
