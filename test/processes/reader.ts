import { setTimeout as sleep } from 'node:timers/promises';
import { type ContextEvent, type Copy, follow } from '../../examples/replay/follower.ts';
import { type Connection, type TransportName, transports } from '../../examples/replay/transports.ts';

/** A client that follows a context, also across connections, and keeps what it was told. */
export class Reader {
  readonly name: string;
  copy: Copy | undefined;
  readonly events: ContextEvent[] = [];
  /** What was wrong with it: an event that does not lead on, a subscription that ended. */
  readonly problems: unknown[] = [];
  readonly #connection: Connection;

  /** @param url of the server, without a path. */
  constructor(url: string, transport: TransportName, contextId: string) {
    this.name = `${contextId} over ${transport} from ${url}`;
    this.#connection = transports[transport](url, {
      contextId,
      connecting: () => this.copy,
      take: (event) => this.#take(event),
      fail: (error) => this.problems.push(error),
      networkIsBack: () => sleep(20),
    });
  }

  /** Whether it has a version, or never will. */
  isAt(version: number): boolean {
    return this.problems.length > 0 || this.copy?.version === version;
  }

  /** What kinds of events came, FULLs by their reason, in order. */
  get kinds(): readonly string[] {
    return this.events.map((event) => (event.__typename === 'FullContext' ? `FULL ${event.reason}` : event.__typename));
  }

  /** How many changes it was told of. */
  get changes(): number {
    return this.events.reduce((sum, event) => sum + (event.__typename === 'Delta' ? event.changes.length : 0), 0);
  }

  leave(): void {
    this.#connection.close();
  }

  #take(event: ContextEvent): void {
    this.events.push(event);
    try {
      this.copy = follow(this.copy, event);
    } catch (error) {
      this.problems.push(error);
      this.leave();
    }
  }
}

/** A reader over each transport at each of the servers. */
export function readersAt(urls: readonly string[], contextId: string): readonly Reader[] {
  // The keys of an object whose type names them.
  const names = Object.keys(transports) as readonly TransportName[];
  return urls.flatMap((url) => names.map((name) => new Reader(url, name, contextId)));
}
