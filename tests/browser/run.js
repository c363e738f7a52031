// Runs test files in the order given, so many at once: `node --test` goes by their names, and a long one that begins last is
// waited for alone. `node run.js 2 FILE...`

import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { resolve } from 'node:path';

const [atOnce, ...files] = process.argv.slice(2);
run({ files: files.map((file) => resolve(file)), concurrency: Number(atOnce) })
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
