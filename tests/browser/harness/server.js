// A static server on loopback: folders and files under paths, with the content security policy that an embedder may set.

import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/**
 * Serves `folders` ({ '/path/': folder, '/name': file }, the longest path that fits wins), with `tls` (a key and its
 * certificate) over https. Gives { url, close }.
 */
export async function serve(folders, { policy = POLICY, tls } = {}) {
  const mounts = Object.entries(folders).sort(([a], [b]) => b.length - a.length);
  const answer = async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const [mount, place] = mounts.find(([m]) => (m.endsWith('/') ? path.startsWith(m) : path === m)) ?? [];
    const file = mount?.endsWith('/') ? join(place, path.slice(mount.length) || 'index.html') : place;
    const found = file && (await stat(file).catch(() => undefined));
    if (!found?.isFile()) {
      // Browsers ask for an icon of their own accord; that there is none is no error of a page's.
      if (path === '/favicon.ico') return void response.writeHead(204).end();
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-length': found.size,
      'content-security-policy': policy,
      'cache-control': 'no-store',
    });
    createReadStream(file).pipe(response);
  };
  const server = tls ? createSecureServer(tls, answer) : createServer(answer);
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
