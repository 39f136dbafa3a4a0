import type { RedisServer } from '../../test/support/redis/server.ts';
import { spread } from '../figures.ts';
import { Latencies } from './latencies.ts';
import { during } from './usage.ts';

/** One of those that take turns. */
export class Side {
  readonly name: string;
  readonly #server: RedisServer;
  /** Answers how much it did per second. */
  readonly #act: (latencies: Latencies) => Promise<number>;
  readonly #latencies = new Latencies();
  readonly #rates: number[] = [];
  #scripts = { count: 0, us: 0 };

  constructor(name: string, server: RedisServer, act: (latencies: Latencies) => Promise<number>) {
    this.name = name;
    this.#server = server;
    this.#act = act;
  }

  /** One round; when it does not count, it warms up. */
  async run(counts: boolean): Promise<void> {
    const latencies = new Latencies();
    let rate = Number.NaN;
    const { evalsha } = await during(this.#server, async () => {
      rate = await this.#act(latencies);
    });
    if (!counts) return;
    this.#rates.push(rate);
    this.#latencies.add(latencies.samples);
    this.#scripts = { count: this.#scripts.count + evalsha.count, us: this.#scripts.us + evalsha.us };
  }

  /** Rate, latencies, and how long Redis was in a script. */
  cells(): readonly string[] {
    const { count, us } = this.#scripts;
    return [spread(this.#rates, 0), String(this.#latencies), count === 0 ? '-' : (us / count).toFixed(1)];
  }

  /** Round by round. */
  ratiosTo(other: Side): readonly number[] {
    return this.#rates.map((rate, round) => rate / (other.#rates[round] ?? Number.NaN));
  }
}
