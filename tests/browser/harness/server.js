// A static server on loopback: folders under paths, with the content security policy that an embedder may set.

import { createServer } from 'node:http';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/** Serves `folders` ({ '/path/': folder }, the longest path that fits wins). Gives { url, close }. */
export async function serve(folders, { policy = POLICY } = {}) {
  const mounts = Object.entries(folders).sort(([a], [b]) => b.length - a.length);
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const [mount, folder] = mounts.find(([m]) => path.startsWith(m)) ?? [];
    const file = folder && join(folder, path.slice(mount.length) || 'index.html');
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
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
