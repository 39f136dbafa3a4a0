/* The Chord servers of a run: processes that can be killed, each replaced by a new one. */
import { Agent } from 'node:http';
import type { AppOptions } from '../../src/app/app.ts';
import type { Random } from '../fixtures/random.ts';
import { ForkedServer } from '../support/forked-server.ts';
import type { ErrorMessage } from './server-child.ts';

/** What a server is told; what does not fit through a command line is not for it. */
export type ServerOptions = Omit<AppOptions, 'clock' | 'deltaFormatter' | 'logger' | 'exporter' | 'provider'>;

/** One process. */
export class FleetServer {
  readonly name: string;
  /** Without a path. */
  readonly url: string;
  /** Connections to it that are kept. */
  readonly agent = new Agent({ keepAlive: true });
  readonly #server: ForkedServer;

  private constructor(name: string, server: ForkedServer) {
    this.name = name;
    this.url = server.url;
    this.#server = server;
  }

  /** @param complain told of errors in its log, and should it end when nobody wanted it to. */
  static async start(name: string, options: ServerOptions, complain: (what: string) => void): Promise<FleetServer> {
    const server = await ForkedServer.start(new URL('server-child.ts', import.meta.url), {
      options,
      // The child is ours.
      onMessage: (message) => complain(`${name} logged an error: ${(message as ErrorMessage).line}`),
      onExit: ({ signal, text }) => {
        // Whoever kills it does so.
        if (signal !== 'SIGKILL') complain(`${name} ${text}`);
      },
    });
    return new FleetServer(name, server);
  }

  get isRunning(): boolean {
    return this.#server.isRunning;
  }

  /** At once, as when the machine dies. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    await this.#server.kill();
    this.agent.destroy();
  }
}

/** All of them: a place for each, where another comes when one was killed. */
export class Fleet {
  readonly #options: ServerOptions;
  readonly #complain: (what: string) => void;
  readonly #servers: FleetServer[] = [];
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
  get running(): readonly FleetServer[] {
    return this.#servers.filter((server) => server.isRunning);
  }

  /** The one in this place, or while there is none, any. */
  at(place: number, random: Random): FleetServer {
    const server = this.#servers[place % this.#servers.length];
    return server?.isRunning === true ? server : this.any(random);
  }

  any(random: Random): FleetServer {
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
    this.#servers[place] = await FleetServer.start(name, this.#options, this.#complain);
  }
}
