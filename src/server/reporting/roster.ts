/** Who is connected to the process, and to what: for administrators. */
import type { ConnectionReport, ReportSource, SubscriptionReport } from '../../access/report.ts';
import type { Viewer } from '../../access/viewer.ts';
import type { Clock } from '../../clock.ts';
import type { ChordService } from '../../service/service.ts';

/** A connection that subscriptions go over. */
export interface Present {
  /** Of our making. */
  readonly id: string;
  readonly transport: ConnectionReport['transport'];
  readonly clientAddress: string;
  /** Undefined: it has not said who it is. */
  viewer(): Viewer | undefined;
  /** Bytes that its socket has not taken. */
  unsentBytes(): number;
}

interface Entry {
  readonly present: Present;
  readonly connectedAtMs: number;
}

/** Those that are there. */
export class Roster {
  readonly #clock: Clock;
  /** By what their subscriptions say they are by, in the order in which they came. */
  readonly #entries = new Map<unknown, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param by what the subscriptions say. */
  enter(by: object, present: Present): void {
    this.#entries.set(by, { present, connectedAtMs: this.#clock.now() });
  }

  /** Does nothing when it is not there. */
  leave(by: object): void {
    this.#entries.delete(by);
  }

  /** How many there are of a transport. */
  count(transport: Present['transport']): number {
    let count = 0;
    for (const { present } of this.#entries.values()) if (present.transport === transport) count++;
    return count;
  }

  /** Goes through every subscription of the process. */
  connections(chord: ChordService): readonly ConnectionReport[] {
    const subscriptions = new Map<unknown, SubscriptionReport[]>();
    for (const by of this.#entries.keys()) subscriptions.set(by, []);
    for (const { contextId, follower } of chord.subscriptions()) {
      const { by, position, isBehind } = follower;
      subscriptions.get(by)?.push({ contextId, position, isBehind });
    }
    return [...this.#entries].map(([by, { present, connectedAtMs }]) => {
      const { id, transport, clientAddress } = present;
      const viewer = present.viewer();
      return {
        id,
        transport,
        clientAddress,
        connectedAtMs,
        viewerId: viewer?.id ?? null,
        expiresAtMs: viewer?.expiresAtMs ?? null,
        unsentBytes: present.unsentBytes(),
        subscriptions: subscriptions.get(by) ?? [],
      };
    });
  }
}

/** What a process is. */
export interface About {
  readonly version: string;
  /** The name of a built-in backend, or `own`. */
  readonly backend: string;
}

/** What there is to report. */
export interface ReportParts {
  readonly about: About;
  readonly chord: ChordService;
  readonly clock: Clock;
  readonly roster: Roster;
}

/** The source of all reports. The process counts as started when it is made. */
export function reportSource({ about, chord, clock, roster }: ReportParts): ReportSource {
  const startedAtMs = clock.now();
  return {
    server: async () => {
      const { followers, watchedContexts, queuedWrites } = chord.stats();
      return {
        ...about,
        startedAtMs,
        storeId: chord.storeId,
        isReady: await chord.ping().then(
          () => true,
          () => false,
        ),
        webSocketCount: roster.count('WEBSOCKET'),
        eventStreamCount: roster.count('EVENT_STREAM'),
        subscriptionCount: followers,
        behindCount: chord.followersBehind,
        watchedContextCount: watchedContexts,
        queuedWriteCount: queuedWrites,
      };
    },
    connections: () => roster.connections(chord),
  };
}
