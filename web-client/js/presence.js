// Whether the page is there: hidden pages sleep, frozen ones answer nobody, and a network goes and comes. The light client
// is told, so that peers do not wait for it, nor it for time-outs.

/** Follows it: `pause` when the page may be frozen, `nudge` when there is somebody or a network again, `gone` at its end. */
export function watchPresence({ pause, nudge, gone }) {
  const stop = new AbortController();
  const on = (target, type, act) => target.addEventListener(type, act, { signal: stop.signal });
  on(globalThis, 'online', nudge);
  on(globalThis, 'pageshow', ({ persisted }) => persisted && nudge());
  on(globalThis, 'pagehide', ({ persisted }) => (persisted ? pause() : gone()));
  on(document, 'visibilitychange', () => document.visibilityState === 'visible' && nudge());
  on(document, 'freeze', pause);
  on(document, 'resume', nudge);
  return () => stop.abort();
}
