// The text of tokens one by one. A token may be a part of a character, and what a tokenizer makes of one depends on
// those before it, so texts come from decoding what there is so far: `decode(ids)` gives the text of ids together.

/** How many code units two texts begin with together. */
function common(a, b) {
  const most = Math.min(a.length, b.length);
  let n = 0;
  while (n < most && a[n] === b[n]) n++;
  return n;
}

/** The text of each id; joined they are the text of all. A character stands with the token that completes it. */
export function texts(decode, ids) {
  const whole = decode(ids);
  let from = 0;
  return Array.from(ids, (_, i) => {
    const last = i + 1 === ids.length;
    // An unfinished character decodes to another one, where what is common ends.
    const to = last ? whole.length : Math.max(from, common(decode(ids.slice(0, i + 1)), whole));
    const text = whole.slice(from, to);
    from = to;
    return text;
  });
}

/** What the last of the ids adds to the text of those before it. */
export function ending(decode, ids) {
  const whole = decode(ids);
  return whole.slice(common(decode(ids.slice(0, -1)), whole));
}
