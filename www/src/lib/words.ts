// Numbers, times and lengths as people read them.

const number = new Intl.NumberFormat('en');
const rough = new Intl.NumberFormat('en', { notation: 'compact', compactDisplay: 'long', maximumSignificantDigits: 3 });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const dateAndTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const onlyTime = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

export const count = (n: number) => number.format(n);
/** 1.25 million. */
export const about = (n: number) => rough.format(n);
/** `1 block`, `1,200 blocks`. */
export const many = (n: number, one: string, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** `2 minutes ago`, `in 3 hours`; the date itself for what is further than a week. */
export function ago(when: Date, now: Date): string {
  const seconds = (when.getTime() - now.getTime()) / 1000;
  const far = Math.abs(seconds);
  if (far < 45) return seconds > 5 ? 'in a moment' : 'just now';
  if (far > 7 * 86_400) return dateTime(when);
  for (const [unit, length] of UNITS) {
    if (far >= length * 0.9) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(Math.round(seconds / 60), 'minute');
}

export const dateTime = (when: Date) => dateAndTime.format(when);
export const clockTime = (when: Date) => onlyTime.format(when);

/** `about 40 seconds`, `about 5 minutes`. */
export function lasting(seconds: number): string {
  if (seconds < 1.5) return 'about a second';
  if (seconds < 75) return `about ${seconds < 20 ? Math.round(seconds) : Math.round(seconds / 5) * 5} seconds`;
  if (seconds < 5_400) return `about ${many(Math.round(seconds / 60), 'minute')}`;
  if (seconds < 172_800) return `about ${many(Math.round(seconds / 3_600), 'hour')}`;
  return `about ${Math.round(seconds / 86_400)} days`;
}

/** `10 ms`, `2.4 s`. */
export function took(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** `1.3 MB`; a MB has a million bytes. */
export function bytes(n: number): string {
  if (n < 1_000) return `${n} B`;
  const [size, unit] = n < 999_500 ? [n / 1e3, 'kB'] : n < 999_500_000 ? [n / 1e6, 'MB'] : [n / 1e9, 'GB'];
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

/** Start and end of a long text, for the eye; its reader can always get at the whole. */
export function shorten(text: string, keep = 6): string {
  return text.length <= 2 * keep + 3 ? text : `${text.slice(0, keep)}…${text.slice(-keep)}`;
}

/** The first words of a text, on one line. */
export function excerpt(text: string, most = 90): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= most ? line : `${line.slice(0, most - 1).trimEnd()}…`;
}
