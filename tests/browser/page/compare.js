// On the page: feeds a case's texts to an engine as planned, and gives the digests of their logits. The same for every
// engine: one that has `open`, `forward` and `close` as in web-client/js/model.d.ts.

/** SHA-256 of logits, four bytes each, the lowest first. */
async function digest(rows) {
  const all = new Int32Array(rows.reduce((n, r) => n + r.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(hash, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** The digest of each text's logits, fed by one plan. */
export async function replay(engine, texts, steps) {
  const sequences = [];
  for (const _ of texts) sequences.push(await engine.open());
  const logits = texts.map(() => []);
  for (const step of steps) {
    const feeds = step.map(([text, from, to]) => ({
      sequence: sequences[text],
      tokens: texts[text].slice(from, to),
      want: 'all',
    }));
    const rows = await engine.forward(feeds);
    step.forEach(([text], i) => logits[text].push(rows[i]));
  }
  for (const sequence of sequences) await engine.close(sequence);
  return Promise.all(logits.map(digest));
}

/** What differs from the case's digests, as sentences, and how many tokens were compared. */
export async function compare(engine, { texts, digests, plans }) {
  const differences = [];
  let tokens = 0;
  for (const { name, steps } of plans) {
    const got = await replay(engine, texts, steps);
    got.forEach((hash, i) => {
      tokens += texts[i].length;
      if (hash !== digests[i]) differences.push(`text ${i} ${name}: expected ${digests[i]}, found ${hash}`);
    });
  }
  return { differences, tokens };
}
