// The server's part: Node imports the app, and with it the package, and renders what stands there at first.

import { readFileSync, writeFileSync } from 'node:fs';
import { render } from './src/app.js';

const page = new URL('dist/index.html', import.meta.url);
const html = readFileSync(page, 'utf8');
if (!html.includes('<!--app-->')) throw new Error('dist/index.html: expected <!--app--> in it: run vite build first');
writeFileSync(page, html.replace('<!--app-->', render('rendered on a server')));
