// What a browser lacks, in words for people.

/** Each look gives why something is missing, or nothing. */
const LOOKS = {
  'secure-context': () =>
    globalThis.isSecureContext === false &&
    'The page came over http from another machine. Browsers then withhold the GPU, locks between tabs and lasting ' +
      'storage: open it over https, or as localhost.',
  storage: async () =>
    !(await keeps()) &&
    'This browser keeps nothing for this page, as in some private windows. The wallet ends with this tab: write its ' +
      'words down.',
  'persistent-storage': () =>
    !globalThis.navigator?.storage?.persist &&
    'This browser may remove what the page keeps when the device gets full. Keep the twelve words on paper.',
  locks: async () =>
    !(await globalThis.navigator?.locks?.query().catch(() => undefined)) &&
    'This browser does not tell tabs apart for sure. Open the wallet in one tab at a time.',
  webrtc: () =>
    !globalThis.RTCPeerConnection &&
    'This browser has no WebRTC, or it is turned off. Nodes are reached over WebSocket alone.',
  'plain-websocket': () =>
    globalThis.location?.protocol === 'https:' &&
    'The page came over https. Browsers then allow no plain WebSocket (ws) to other machines: nodes are reached over ' +
      'WebRTC, or over WebSocket with TLS (wss).',
  webgpu: async () =>
    !(await adapter()) &&
    'This browser gives pages no GPU. Answers are checked on the CPU, which takes longer with large models.',
};

export async function lacks() {
  const found = await Promise.all(Object.entries(LOOKS).map(async ([what, look]) => ({ what, why: await look() })));
  return found.filter(({ why }) => why);
}

/** The GPU adapter that the browser gives; none where it gives none. */
export async function adapter() {
  return (await globalThis.navigator?.gpu?.requestAdapter().catch(() => null)) ?? undefined;
}

/** Whether a database can be opened: some browsers show one and refuse. */
function keeps() {
  const PROBE = 'camelid-probe';
  return new Promise((resolve) => {
    try {
      const asked = globalThis.indexedDB.open(PROBE);
      asked.onerror = (event) => {
        event.preventDefault();
        resolve(false);
      };
      asked.onsuccess = () => {
        asked.result.close();
        globalThis.indexedDB.deleteDatabase(PROBE);
        resolve(true);
      };
    } catch {
      resolve(false);
    }
  });
}
