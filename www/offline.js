import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// What is kept from the first visit on. The worker's and the GPU's modules are kept once they have been used.
const FIRST = /\.(html|js|css|svg|png|webmanifest)$/;
const LATER = /camelid_web_(worker|gpu)/;

/** Writes the service worker, with the list of files that it keeps and a version that changes with any of them. */
export function offline(source) {
  let publicDir;
  return {
    name: 'offline',
    apply: 'build',
    configResolved(config) {
      publicDir = config.publicDir;
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const hash = createHash('sha256');
        const files = [];
        const add = (name, content) => {
          hash.update(name).update(content);
          if (FIRST.test(name) && !LATER.test(name)) files.push(name);
        };
        for (const name of Object.keys(bundle).sort()) add(name, bundle[name].code ?? bundle[name].source);
        for (const name of readdirSync(publicDir).sort()) add(name, readFileSync(join(publicDir, name)));
        const version = hash.digest('hex').slice(0, 12);
        const head = `const VERSION = '${version}';\nconst FILES = ${JSON.stringify(files)};\n`;
        this.emitFile({ type: 'asset', fileName: 'service-worker.js', source: head + readFileSync(source, 'utf8') });
      },
    },
  };
}
