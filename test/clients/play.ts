/** Plays a recipe through everything that can happen to its connection, and judges every event that it reports. */
import { expect } from 'vitest';
import { type FollowEvent, type FollowOptions, isGone } from '../../examples/clients/replica.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { until } from '../support/wait.ts';
import { type Protocol, Stage } from './stage.ts';

export type Recipe = (options: FollowOptions) => () => void;

interface Seen {
  readonly event: FollowEvent;
  readonly state: JsonObject | undefined;
  readonly connection: number;
}

export interface Play {
  readonly stage: Stage;
  readonly seen: readonly Seen[];
  /** Resolves when the copy is where the writer is, the writer having stopped. */
  catchUp(): Promise<void>;
  /** Resolves when events have come over a connection that is made from now on. */
  reconnect(cut: () => Promise<void> | void): Promise<void>;
}

/** Runs the scene with a recipe that follows and a writer that writes. */
export async function play(recipe: Recipe, scene: (play: Play) => Promise<void>): Promise<void> {
  const stage = await Stage.open();
  const seen: Seen[] = [];
  const errors: unknown[] = [];
  stage.startWriting();
  const stop = recipe({
    url: stage.url,
    id: stage.id,
    onEvent: (event, state) => seen.push({ event, state, connection: stage.connections }),
    onError: (error) => errors.push(error),
  });
  try {
    await until('events', () => seen.length >= 3);
    await scene({
      stage,
      seen,
      catchUp: async () => {
        await stage.stopWriting();
        const { epoch, version } = stage.head;
        await until(`the copy is at version ${version}`, () => {
          const last = seen.at(-1);
          return last?.state !== undefined && last.event.epoch === epoch && last.event.version === version;
        });
      },
      reconnect: async (cut) => {
        const { connections } = stage;
        await cut();
        await until('another connection', () => stage.connections > connections && !stage.isCuttingNext);
        const newest = () => seen.filter(({ connection }) => connection > connections);
        await until('events over it', () => newest().length >= 3);
      },
    });
    expect(errors).toEqual([]);
    for (const { event, state } of seen) {
      if (isGone(event) ? state === undefined : state !== undefined && stage.isRecorded(event, state)) continue;
      throw new Error(`At ${event.epoch}:${event.version}, after ${kindOf(event)}, the copy is something else.`);
    }
  } finally {
    stop();
    await stage.close();
  }
}

/** Six ways to lose the connection while everything is being written, each followed by what the recipe makes of it. */
export async function loseConnections({ stage, reconnect }: Play, protocol: Protocol): Promise<void> {
  await reconnect(() => stage.restart('drain'));
  await reconnect(() => stage.cut('end'));
  await reconnect(() => stage.cut('reset'));
  await reconnect(() => stage.cut(protocol));
  await reconnect(() => {
    stage.cutNext(3);
    stage.cut('reset');
  });
  await reconnect(() => stage.restart('crash'));
}

/** Each event begins where the one before it ended, or is a FULL. Answers how many of each kind there are. */
export function countContinuous(seen: readonly Seen[]): Readonly<Record<FollowEvent['__typename'], number>> {
  const counts = { FullContext: 0, Delta: 0, NoChange: 0, ContextGone: 0, NoContext: 0 };
  let last: FollowEvent | undefined;
  for (const { event } of seen) {
    const { __typename } = event;
    counts[__typename]++;
    if (__typename === 'Delta') {
      expect(at(event.epoch, event.fromVersion), 'where a delta starts').toBe(last && at(last.epoch, last.version));
      expect(event.version).toBeGreaterThan(event.fromVersion);
    }
    if (__typename === 'NoChange') {
      expect(at(event.epoch, event.version)).toBe(last && at(last.epoch, last.version));
    }
    last = event;
  }
  return counts;
}

export function kindOf({ __typename }: FollowEvent): FollowEvent['__typename'] {
  return __typename;
}

function at(epoch: string, version: number): string {
  return `${epoch}:${version}`;
}
