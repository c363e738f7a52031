// One tab on one database. The browser's own locks say who has it; a channel between tabs asks for it politely. Where a
// browser has no locks (an address without TLS has none) the channel alone has to do, and where it refuses both (with all
// site data blocked) there is nothing that two tabs could spoil for each other.

import { CamelidError } from './errors.js';

// A tab that ends and says goodbye takes less; one that hangs is not waited for.
const PATIENCE_MS = 5_000;
const ANSWER_MS = 500;

// The browser has locks and gives none to this page.
const REFUSED = Symbol('refused');

/**
 * Takes the lock on `name`; one that another tab has is an `in-use`, or with `takeOver` is taken away from it. Gives
 * `release()` and `taken`, which settles when another tab wants it: close, then release.
 */
export async function hold(name, { takeOver = false, patience = PATIENCE_MS } = {}) {
  const channel = channelOf(name);
  if (takeOver) channel?.postMessage('take-over');
  const locks = globalThis.navigator?.locks;
  let held = locks && (await fromBrowser(locks, name, takeOver, patience));
  if (!locks || held === REFUSED) held = channel ? await fromTabs(channel, takeOver, patience) : {};
  if (held) return keep(channel, held);
  channel?.close();
  throw new CamelidError('in-use', 'another tab of this browser has the wallet open');
}

function channelOf(name) {
  try {
    return new BroadcastChannel(`camelid:${name}`);
  } catch {
    return undefined;
  }
}

/** Answers other tabs until it is released. */
function keep(channel, { gone, release }) {
  const taken = new Promise((resolve) => {
    void gone?.then(resolve);
    if (!channel) return;
    channel.onmessage = ({ data }) => {
      if (data === 'anyone') channel.postMessage('here');
      if (data === 'take-over') resolve();
    };
  });
  return {
    taken,
    release() {
      channel?.postMessage('free');
      channel?.close();
      release?.();
    },
  };
}

async function fromBrowser(locks, name, takeOver, patience) {
  if (!takeOver) return request(locks, name, { ifAvailable: true });
  const given = await request(locks, name, { signal: AbortSignal.timeout(patience) });
  return given ?? request(locks, name, { steal: true });
}

/** Gives nothing where another tab has it. `gone` settles when another tab steals it. */
function request(locks, name, options) {
  return new Promise((resolve) => {
    let stolen;
    const gone = new Promise((settle) => (stolen = settle));
    const held = locks.request(`camelid:${name}`, options, (lock) => {
      if (!lock) return resolve(undefined);
      return new Promise((release) => resolve({ gone, release }));
    });
    // After it was given, what happened above cannot be undone here: only `gone` still counts then.
    held.catch((error) => {
      stolen();
      resolve(error.name === 'AbortError' || error.name === 'TimeoutError' ? undefined : REFUSED);
    });
  });
}

async function fromTabs(channel, takeOver, patience) {
  if (takeOver) {
    await heard(channel, 'free', patience);
    return {};
  }
  channel.postMessage('anyone');
  return (await heard(channel, 'here', ANSWER_MS)) ? undefined : {};
}

/** Whether a tab says `word` in time. */
function heard(channel, word, milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), milliseconds);
    channel.onmessage = ({ data }) => {
      if (data !== word) return;
      clearTimeout(timer);
      resolve(true);
    };
  });
}
