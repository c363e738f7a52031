// Where in the page its user is, as the address says it after the #.

export type Route =
  | { view: 'prompt' }
  | { view: 'answer'; id: string }
  | { view: 'wallet'; part: WalletPart }
  | { view: 'network'; part: NetworkPart }
  | { view: 'explorer'; what?: Found; id?: string }
  | { view: 'nowhere' };

export type View = Route['view'];
const WALLET = ['', 'send', 'receive', 'keys'] as const;
export type WalletPart = (typeof WALLET)[number];
const NETWORK = ['', 'models'] as const;
export type NetworkPart = (typeof NETWORK)[number];
const FOUND = ['block', 'transaction', 'job', 'find'] as const;
export type Found = (typeof FOUND)[number];

export function readRoute(hash: string): Route {
  const [view = '', part = '', id = '', ...more] = hash
    .replace(/^#?\/?/, '')
    .replace(/\/$/, '')
    .split('/')
    .map(decode);
  if (more.length) return { view: 'nowhere' };
  if (view === '' && !part) return { view: 'prompt' };
  if (view === 'answer' && part && !id) return { view, id: part };
  if (view === 'wallet' && isOf(WALLET, part) && !id) return { view, part };
  if (view === 'network' && isOf(NETWORK, part) && !id) return { view, part };
  if (view === 'explorer' && !part) return { view };
  if (view === 'explorer' && isOf(FOUND, part) && id) return { view, what: part, id };
  return { view: 'nowhere' };
}

export function linkTo(...parts: (string | number)[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}

function isOf<T extends string>(list: readonly T[], text: string): text is T {
  return (list as readonly string[]).includes(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
