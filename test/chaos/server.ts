/* The Chord servers of a run: processes that can be killed, each replaced by a new one. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { AppOptions } from '../../src/app.ts';
import type { Random } from '../fixtures/random.ts';
import { soon } from '../support/wait.ts';
import type { Message } from './server-child.ts';

/** What a server is told; what does not fit through a command line is not for it. */
export type ServerOptions = Omit<AppOptions, 'clock' | 'deltaFormatter' | 'logger' | 'exporter' | 'provider'>;

/** One process. */
export class ServerProcess {
  readonly name: string;
  /** Without a path. */
  readonly url: string;
  /** Connections to it that are kept. */
  readonly agent = new Agent({ keepAlive: true });
  readonly #process: ChildProcess;

  private constructor(name: string, url: string, child: ChildProcess) {
    this.name = name;
    this.url = url;
    this.#process = child;
  }

  /** @param complain told of errors in its log, and should it end when nobody wanted it to. */
  static async start(name: string, options: ServerOptions, complain: (what: string) => void): Promise<ServerProcess> {
    const path = fileURLToPath(new URL('server-child.ts', import.meta.url));
    const child = fork(path, [JSON.stringify(options)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-2_000);
    });
    const started = new Promise<string>((resolve, reject) => {
      child.on('message', (message) => {
        // The child is ours.
        const said = message as Message;
        if (said.kind === 'started') resolve(said.url);
        else complain(`${name} logged an error: ${said.line}`);
      });
      child.once('exit', (code, signal) => {
        const how = `${name} ended with ${code ?? signal}: ${stderr}`;
        // Whoever kills it does so.
        if (signal !== 'SIGKILL') complain(how);
        reject(new Error(how));
      });
    });
    try {
      return new ServerProcess(name, await soon(`${name} to start`, started, 30_000), child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** At once, as when the machine dies. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await soon(`the end of ${this.name}`, exit);
    this.agent.destroy();
  }
}

/** All of them: a place for each, where another comes when one was killed. */
export class Fleet {
  readonly #options: ServerOptions;
  readonly #complain: (what: string) => void;
  readonly #servers: ServerProcess[] = [];
  readonly #born: number[] = [];

  private constructor(options: ServerOptions, complain: (what: string) => void) {
    this.#options = options;
    this.#complain = complain;
  }

  static async start(count: number, options: ServerOptions, complain: (what: string) => void): Promise<Fleet> {
    const fleet = new Fleet(options, complain);
    try {
      await Promise.all(Array.from({ length: count }, (_, place) => fleet.#fill(place)));
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  /** Those that run. */
  get running(): readonly ServerProcess[] {
    return this.#servers.filter((server) => server.isRunning);
  }

  /** The one in this place, or while there is none, any. */
  at(place: number, random: Random): ServerProcess {
    const server = this.#servers[place % this.#servers.length];
    return server?.isRunning === true ? server : this.any(random);
  }

  any(random: Random): ServerProcess {
    return random.pick(this.running);
  }

  /** Kills one, unless it is the last, and replaces it. Answers its name. */
  async replace(random: Random): Promise<string> {
    const place = random.integer(0, this.#servers.length - 1);
    const server = this.#servers[place];
    if (server === undefined || this.running.length < 2) return 'nobody';
    await server.kill();
    await this.#fill(place);
    return server.name;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
  }

  async #fill(place: number): Promise<void> {
    const number = (this.#born[place] ?? 0) + 1;
    this.#born[place] = number;
    const name = `p${place + 1}${number === 1 ? '' : `.${number}`}`;
    this.#servers[place] = await ServerProcess.start(name, this.#options, this.#complain);
  }
}
