// Keeps the page for use without a network. The build writes VERSION and FILES above this line.
/* global VERSION, FILES */

const PREFIX = 'camelid-page-';
const NAME = PREFIX + VERSION;

self.addEventListener('install', (event) => {
  // 'reload': files of an older version may still lie in the browser's own cache.
  const files = FILES.map((name) => new Request(name, { cache: 'reload' }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(files)));
});

self.addEventListener('activate', (event) => {
  const old = (name) => name.startsWith(PREFIX) && name !== NAME;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('message', (event) => {
  // The page asks for it, when its user wants the new version.
  if (event.data === 'use-now') self.skipWaiting();
  else if (Array.isArray(event.data?.loaded)) event.waitUntil(keepLoaded(event.data.loaded));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET') return;
  // Without what stands after ?, so that the page is one file.
  if (pathOf(url) === '') event.respondWith(kept(new Request('index.html')));
  else if (isOurs(url)) event.respondWith(kept(request));
});

// The path within the page's folder, if it is one.
function pathOf({ origin, pathname }) {
  const scope = new URL(self.registration.scope);
  return origin === scope.origin && pathname.startsWith(scope.pathname) ? pathname.slice(scope.pathname.length) : undefined;
}

// A node may serve other things beside the page.
function isOurs(url) {
  const path = pathOf(url);
  return path !== undefined && (path.startsWith('assets/') || FILES.includes(path));
}

// On the first visit the page loads before there is a service worker to see it.
async function keepLoaded(urls) {
  for (const url of urls.map((text) => new URL(text))) {
    if (isOurs(url)) await kept(new Request(url));
  }
}

// One version at a time: all comes from the cache of this one.
async function kept(request) {
  const cache = await caches.open(NAME);
  const found = await cache.match(request);
  if (found) return found;
  const response = await fetch(request);
  if (response.status === 200) await cache.put(request, response.clone());
  return response;
}
