import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { until } from '../wait.ts';
import type { RedisServer } from './server.ts';

/** A command that a Redis carried out. */
export interface MonitoredCommand {
  /** The address of the connection that sent it; `lua`: the script that was run last did it. */
  readonly source: string;
  readonly name: string;
  readonly args: readonly string[];
}

/** Hears of everything that a Redis does, in the order in which it does it. Costs it much: for private ones. */
export class Monitor {
  readonly #server: RedisServer;
  readonly #connection: Redis;
  readonly #echoes = new Set<string>();

  private constructor(server: RedisServer, connection: Redis) {
    this.#server = server;
    this.#connection = connection;
  }

  static async start(server: RedisServer, onCommand: (command: MonitoredCommand) => void): Promise<Monitor> {
    const redis = new Redis({ host: '127.0.0.1', port: server.port, retryStrategy: null, disableClientInfo: true });
    try {
      const monitor = new Monitor(server, await redis.monitor());
      monitor.#connection.on('monitor', (_time: string, [name = '', ...args]: readonly string[], source: string) => {
        if (name.toLowerCase() === 'echo') monitor.#echoes.add(args[0] ?? '');
        else onCommand({ source, name: name.toLowerCase(), args });
      });
      return monitor;
    } finally {
      redis.disconnect();
    }
  }

  /** Resolves when everything was heard that was done until now. */
  async heard(): Promise<void> {
    const word = randomUUID();
    await this.#server.cli('ECHO', word);
    await until('the monitor to hear what was said last', () => this.#echoes.delete(word));
  }

  stop(): void {
    this.#connection.disconnect();
  }
}
