/*
 * Cleanup as Redis sees it: who held the lease when, and who removed what. Redis does one thing after the other and tells
 * all of them in that order, so that nothing here depends on when it is heard.
 */
import { Keys } from '../../src/backend/redis/keys.ts';
import { scripts } from '../../src/backend/redis/scripts.ts';
import { Monitor, type MonitoredCommand } from '../support/redis/monitor.ts';
import type { RedisServer } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';

/** One holder's time with the lease. */
export interface Tenure {
  readonly fence: number;
  /** The connection of the process. */
  readonly source: string;
  /** What no other holder ever calls itself. */
  readonly token: string;
  untilMs: number;
  isReleased: boolean;
}

/** The script that runs. */
interface Run {
  readonly source: string;
  readonly script: string;
  readonly args: readonly string[];
  hasStored: boolean;
}

/** What only the holder of the lease may run. */
const cleaning: ReadonlySet<string> = new Set(['expire', 'trim', 'purge', 'postpone']);

const nameOf = new Map(Object.values(scripts).map(({ name, sha }) => [sha, name]));

/** Listens to the cleanup of all processes on one Redis. */
export class CleanupWatch {
  /** In the order in which they began; the last one may go on. */
  readonly tenures: Tenure[] = [];
  /** What must not be: two at once, a fence that does not grow, something done without the lease. */
  readonly problems: string[] = [];
  /** How often each context was removed. */
  readonly removals = new Map<string, number>();
  /** How often the lease was asked for, by source, and was refused. */
  readonly refusals = new Map<string, number>();
  /** How often each source did something with the lease. */
  readonly asked = new Map<string, number>();
  readonly #keys: Keys;
  readonly #readers = new Map<string, string>();
  /** How many contexts each source removed, or tried to, since it did something else. */
  readonly #inRow = new Map<string, number>();
  #run: Run | undefined;
  #monitor: Monitor | undefined;

  private constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** All scripts are loaded first, so that each run is told by its hash. */
  static async start(redis: RedisServer, prefix: string): Promise<CleanupWatch> {
    for (const { text } of Object.values(scripts)) await redis.cli('SCRIPT', 'LOAD', text);
    const watch = new CleanupWatch(new Keys(prefix));
    watch.#monitor = await Monitor.start(redis, (command) => watch.#take(command));
    return watch;
  }

  /** Who has the lease, as far as was heard. A holder that died has it until another takes it. */
  get holder(): Tenure | undefined {
    const last = this.tenures.at(-1);
    return last?.isReleased === true ? undefined : last;
  }

  /** How many contexts were removed whose ids begin so. */
  removed(idPrefix: string): number {
    return [...this.removals.keys()].filter((id) => id.startsWith(idPrefix)).length;
  }

  /** How many removals a source was at when it did something else, or was heard of last. */
  inRow(source: string): number {
    return this.#inRow.get(source) ?? 0;
  }

  /** The connection over which a process reads, once it has read a context that nobody else reads. */
  async sourceOf(read: (id: string) => Promise<unknown>, id: string): Promise<string> {
    const [, head] = this.#keys.context(id);
    await read(id);
    await until(`${id} to be read`, () => this.#readers.has(head));
    return this.#readers.get(head) ?? '';
  }

  /** Resolves when everything was heard that was done until now. */
  async heard(): Promise<void> {
    await this.#monitor?.heard();
  }

  stop(): void {
    this.#monitor?.stop();
  }

  #take({ source, name, args }: MonitoredCommand): void {
    if (source === 'lua') {
      this.#takeStep(name, args);
      return;
    }
    this.#endRun();
    if (name !== 'evalsha') return;
    const [sha = '', count = '0', ...rest] = args;
    const script = nameOf.get(sha) ?? 'unknown';
    const keys = rest.slice(0, Number(count));
    this.#run = { source, script, args: rest.slice(keys.length), hasStored: false };
    if (script === 'read') this.#readers.set(keys[1] ?? '', source);
    this.#inRow.set(source, script === 'expire' ? this.inRow(source) + 1 : 0);
    if (cleaning.has(script) && this.holder?.source !== source) {
      this.problems.push(`${script} ${keys[1]} by ${source} while the lease is with ${told(this.holder)}`);
    }
  }

  /** Something that the script does. */
  #takeStep(name: string, [key = '', text = '']: readonly string[]): void {
    const run = this.#run;
    if (run === undefined) return;
    if (name.endsWith('publish') && text.startsWith('removed ')) {
      const id = key.slice(key.indexOf('watch:') + 'watch:'.length);
      this.removals.set(id, (this.removals.get(id) ?? 0) + 1);
    }
    if (run.script !== 'lease' || name !== 'set') return;
    run.hasStored = true;
    const [fence, untilMs] = text.split(' ').map(Number);
    this.#moveLease(run, { fence: fence ?? 0, untilMs: untilMs ?? 0 });
  }

  #moveLease({ source, args }: Run, { fence, untilMs }: Pick<Tenure, 'fence' | 'untilMs'>): void {
    const [verb, token = '', nowMs] = args;
    const { holder } = this;
    if (verb === 'take') {
      if (holder !== undefined && Number(nowMs) < holder.untilMs) {
        this.problems.push(`${source} took the lease while it was with ${told(holder)}`);
      }
      const before = this.tenures.at(-1)?.fence ?? 0;
      if (fence <= before) this.problems.push(`${source} was given fence ${fence} after ${before}`);
      this.tenures.push({ fence, source, token, untilMs, isReleased: false });
      return;
    }
    if (holder?.token !== token) {
      this.problems.push(`${verb} by ${source} while the lease was with ${told(holder)}`);
      return;
    }
    holder.untilMs = untilMs;
    holder.isReleased = verb === 'release';
  }

  #endRun(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run?.script !== 'lease') return;
    add(this.asked, run.source);
    if (run.args[0] === 'take' && !run.hasStored) add(this.refusals, run.source);
  }
}

function told(tenure: Tenure | undefined): string {
  return tenure === undefined ? 'nobody' : `${tenure.source} (fence ${tenure.fence})`;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
