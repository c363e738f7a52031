// One `camelid node run`, as a process of its own: started, asked over its API, killed, started again where it was.

import { execFile, spawn } from 'node:child_process';
import { existsSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const PASSWORD = 'only for tests';
/** How long anything may take, on a machine that does other things too. */
export const PATIENCE_MS = Number(process.env.CAMELID_BROWSER_TIMEOUT ?? 180_000);

/** Where a node may listen, on a port of its own. */
export const TCP = '127.0.0.1:0';
export const WEBSOCKET = '/ip4/127.0.0.1/tcp/0/ws';
export const WEBRTC = '/ip4/127.0.0.1/udp/0/webrtc-direct';

const run = promisify(execFile);

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(homedir(), '.cache/camelid/target');
  const file = process.env.CAMELID_BINARY ?? join(target, 'debug/camelid');
  if (!existsSync(file)) throw new Error(`no camelid at ${file}: run sh scripts/test-page.sh, or set CAMELID_BINARY`);
  return file;
}

/** Another program, which was built beside the node. */
export const program = (name) => join(dirname(binary()), name);

/** Asks again and again until there is an answer. `about` adds to the error what is known. */
export async function until(what, check, about = () => '') {
  const end = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < end) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms${last ? `, last: ${last.message}` : ''}\n${about()}`);
}

export class Node {
  name;
  #dir;
  #args;
  #network;
  #listen;
  #api = '127.0.0.1:0';
  #child;
  #ended;

  /** A node that does not run yet, in a folder below `dir`; `args` follow `camelid node run`. Where it listens at first. */
  constructor(name, dir, args = [], { network = 'dev', listen = [TCP, WEBSOCKET, WEBRTC] } = {}) {
    this.name = name;
    this.#dir = join(dir, name);
    this.#args = args;
    this.#network = network;
    this.#listen = listen;
  }

  /** Runs another `camelid` command on its data directory; gives what it printed. */
  async command(...args) {
    const { stdout } = await run(binary(), this.#everywhere(args), { env: this.#env() });
    return stdout;
  }

  /** Starts it, and waits until it answers. A later start takes the ports of the first. */
  async start() {
    // What an earlier run left would name a port that is another's now.
    for (const file of ['api.token', 'api.address']) rmSync(join(this.#dir, file), { force: true });
    const listen = this.#listen.flatMap((address) => ['--listen', address]);
    const args = this.#everywhere(['--api', this.#api, 'node', 'run', ...listen, ...this.#args]);
    const log = openSync(this.#logFile, 'a');
    this.#child = spawn(binary(), args, { env: this.#env(), stdio: ['ignore', 'ignore', log] });
    closeSync(log);
    this.#ended = new Promise((resolve) => this.#child.once('exit', resolve));
    const child = this.#child;
    const status = await until(
      `${this.name} answers`,
      () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return this.get('/v1/status');
      },
      () => this.log(),
    );
    this.#api = this.#read('api.address');
    this.#listen = status.listen.map(listenAddress);
    return status;
  }

  /** Where a file of its data directory is. */
  file(name) {
    return join(this.#dir, name);
  }

  /** Where browsers find its page. */
  get page() {
    return `http://${this.#api}/`;
  }

  /** Where peers find it. */
  async address() {
    const { listen } = await this.get('/v1/status');
    return listen[0];
  }

  get(path) {
    return this.#ask('GET', path);
  }

  post(path, body) {
    return this.#ask('POST', path, body);
  }

  /** Ends it as a power cut would. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Stops its time until it may go on. */
  pause() {
    this.#child.kill('SIGSTOP');
  }

  goOn() {
    this.#child.kill('SIGCONT');
  }

  /** Ends it as its user would; one that has ended already is no error. */
  async stop() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.goOn();
    this.#child.kill('SIGINT');
    await this.#ended;
    if (this.log().includes('panicked')) throw new Error(`${this.name} panicked:\n${this.log()}`);
  }

  /** The end of its log. */
  log() {
    const text = existsSync(this.#logFile) ? readFileSync(this.#logFile, 'utf8') : '';
    return `--- ${this.name}\n${text.split('\n').slice(-60).join('\n')}`;
  }

  get #logFile() {
    return `${this.#dir}.log`;
  }

  #read(file) {
    return readFileSync(this.file(file), 'utf8').trim();
  }

  #everywhere(args) {
    return ['--network', this.#network, '--data-dir', this.#dir, ...args];
  }

  #env() {
    return { RUST_LOG: 'warn,camelid_node=debug', ...process.env, CAMELID_PASSWORD: PASSWORD };
  }

  #ask(method, path, body) {
    const text = body && JSON.stringify(body);
    const headers = { authorization: `Bearer ${this.#read('api.token')}` };
    if (text) Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    return new Promise((resolve, reject) => {
      const asked = request(`http://${this.#read('api.address')}${path}`, { method, headers }, async (response) => {
        try {
          const parts = await response.toArray();
          const answer = JSON.parse(Buffer.concat(parts).toString());
          if (response.statusCode === 200) resolve(answer);
          else reject(new Error(`${this.name} ${path}: ${response.statusCode} ${answer.error}`));
        } catch (error) {
          reject(error);
        }
      });
      asked.once('error', reject).end(text);
    });
  }
}

/** What `--listen` takes for an address that a node says it listens on. */
function listenAddress(address) {
  const plain = address.replace(/\/(certhash|p2p)\/[^/]+/g, '');
  const tcp = /^\/ip4\/([\d.]+)\/tcp\/(\d+)$/.exec(plain);
  return tcp ? `${tcp[1]}:${tcp[2]}` : plain;
}
