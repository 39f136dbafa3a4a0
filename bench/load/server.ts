import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuUsOfChildren } from './workers-cpu.ts';

const probe = fileURLToPath(new URL('probe.js', import.meta.url));
const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** A server that takes part: how Node runs it, which finds its port in PORT or as it says. */
export interface Contestant {
  readonly name: string;
  /** Whether it serves event streams, too. */
  readonly hasEventStreams: boolean;
  args(port: number): readonly string[];
}

/** What a process has used since it started, and uses now. */
export interface Usage {
  /** Its workers included. */
  readonly cpuUs: number;
  readonly rss: number;
  /** With what belongs to it outside. */
  readonly heapUsed: number;
  /** The longest turn of its event loop since `watch stalls`. */
  readonly stallMs: number;
}

/** What probe.js understands. */
export type Question = 'usage' | 'collect garbage' | 'watch stalls' | 'end watch';

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A server in a process of its own, on 127.0.0.1. */
export class Server {
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(name: string, port: number, child: ChildProcess) {
    this.name = name;
    this.port = port;
    this.#child = child;
  }

  /** @param core the only one that it may use; absent: any. */
  static async start({ name, args }: Contestant, core?: number): Promise<Server> {
    const port = await freePort();
    const node = [process.execPath, '--expose-gc', '--import', probe, ...args(port)];
    const [command = '', ...rest] = core === undefined ? node : ['taskset', '-c', String(core), ...node];
    const child = spawn(command, rest, {
      cwd: checkout,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production', PORT: String(port) },
    });
    running.add(child);
    child.once('exit', (code, signal) => {
      // Ends the benchmark, unless we have ended the server.
      if (running.delete(child)) throw new Error(`${name} ended with ${code ?? signal}.`);
    });
    const until = performance.now() + 30_000;
    while (!(await answers(port))) {
      if (performance.now() > until) throw new Error(`${name} does not listen.`);
      await sleep(50);
    }
    return new Server(name, port, child);
  }

  async ask(question: Question): Promise<Usage> {
    this.#child.send(question);
    const [usage] = await once(this.#child, 'message', { signal: AbortSignal.timeout(30_000) });
    // What probe.js sends.
    const own = usage as Usage;
    return { ...own, cpuUs: own.cpuUs + cpuUsOfChildren(this.#child.pid ?? 0) };
  }

  /** Resolves when it has nothing left to do. */
  async settle(): Promise<void> {
    let { cpuUs } = await this.ask('usage');
    for (let tries = 0; tries < 300; tries++) {
      await sleep(100);
      const now = await this.ask('usage');
      if (now.cpuUs - cpuUs < 5_000) return;
      cpuUs = now.cpuUs;
    }
    throw new Error(`${this.name} does not come to rest.`);
  }

  async stop(): Promise<void> {
    running.delete(this.#child);
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new TypeError('No TCP port.');
  return address.port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
