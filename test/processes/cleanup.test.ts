/*
 * Cleanup of several servers on one Redis. Redis itself says who held the lease and who removed what; time is what the
 * test says it is.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { post } from '../support/app.ts';
import { builtProgram } from '../support/built.ts';
import { ChordProcess, startChords } from '../support/chord-process.ts';
import { stopCommands } from '../support/command.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { until } from '../support/wait.ts';
import { CleanupWatch } from './cleanup-watch.ts';
import { MovedClock } from './moved-clock.ts';
import { readersAt } from './reader.ts';
import { createContexts } from './writes.ts';

const minuteMs = 60_000;
/** More than a lease, which is for 60 s and the time of one export. */
const leaseIsOverMs = 5 * minuteMs;
const patienceMs = 60_000;
/** A pass takes a page of so many contexts, and works on so many of them at once. */
const page = 100;
const width = 32;

let redis: RedisServer;
let script: string;
beforeAll(async () => {
  script = await builtProgram();
  redis = await startRedis();
});
afterAll(() => redis?.stop());

function flagsFor(prefix: string, intervalMs: number): readonly string[] {
  const store = ['--backend', 'redis', '--redis-url', redis.url, '--redis-prefix', prefix];
  return [...store, '--port', '0', '--cleanup-interval-ms', String(intervalMs)];
}

/** Ids, and when they expire. */
function contextsOf(name: string, count: number, ttlMs: number | null) {
  return Array.from({ length: count }, (_, n) => ({ id: `${name}:${n}`, ttlMs }));
}

async function read(chord: ChordProcess, id: string) {
  return post(`${chord.url}/graphql`, {
    query: 'query ($id: ID!) { context(id: $id) { version } }',
    variables: { id },
  });
}

/** A process that stands still in the midst of a pass. */
interface Paused {
  /** Its connection. */
  readonly source: string;
  readonly chord: ChordProcess;
  /** All that became due. */
  readonly due: readonly { readonly id: string }[];
}

describe('three processes with scheduled cleanup', { timeout: 120_000 }, () => {
  const prefix = 'cleanup:';
  let watch: CleanupWatch;
  let clock: MovedClock;
  let chords: readonly ChordProcess[];
  /** By the connection over which each speaks with Redis. */
  let bySource: ReadonlyMap<string, ChordProcess>;

  beforeEach(async () => {
    await redis.cli('FLUSHALL');
    clock = new MovedClock(redis.directory);
    watch = await CleanupWatch.start(redis, prefix);
    // So often that they meet at the lease all the time.
    chords = await startChords(3, [...flagsFor(prefix, 300), '--config', clock.config], { script });
    const entries = chords.map(async (chord, index) => {
      const source = await watch.sourceOf((id) => read(chord, id), `who ${index}`);
      return [source, chord] as const;
    });
    bySource = new Map(await Promise.all(entries));
  });
  afterEach(async () => {
    watch?.stop();
    await stopCommands();
  });

  /** The first of the three. */
  function anyUrl(): string {
    return chords[0]?.url ?? '';
  }

  /**
   * Makes contexts due, and pauses who holds the lease in the midst of the pass over them; makes more of them due when
   * it was over too soon.
   */
  async function pausedInAPass(): Promise<Paused> {
    const due: { readonly id: string; readonly ttlMs: number | null }[] = [];
    for (let attempt = 0; attempt < 10; attempt++) {
      const before = due.length;
      const more = contextsOf(`due:${attempt}`, 1_500, minuteMs);
      due.push(...more);
      await createContexts(anyUrl(), more);
      clock.advance(minuteMs);
      await until('a pass to begin', () => watch.removed('due') >= before + 100, patienceMs);
      const holder = await pausedInAPage(due.length);
      if (holder !== undefined) return { ...holder, due };
    }
    throw new Error('It was never stopped in the midst of a page.');
  }

  /** Where some of a page is removed and some is not: what it would do next needs no look at the store. */
  async function pausedInAPage(dueCount: number): Promise<Omit<Paused, 'due'> | undefined> {
    while (watch.removed('due') < dueCount) {
      const source = watch.holder?.source ?? '';
      const chord = bySource.get(source);
      const removed = watch.removed('due');
      chord?.pause();
      // What it has sent is done when both are heard.
      await watch.heard();
      await watch.heard();
      // Of the page more is left than it may have begun.
      const ofPage = watch.inRow(source) % page;
      const isInAPage = watch.holder?.source === source && ofPage > 0 && ofPage < page - 1.5 * width;
      if (chord !== undefined && isInAPage) return { source, chord };
      chord?.resume();
      await until('the pass to go on', () => watch.removed('due') > removed, patienceMs);
    }
    return undefined;
  }

  /** Until each of those has asked for the lease and was refused twice more. */
  async function refusedOnceMore(sources: readonly string[]): Promise<void> {
    const before = new Map(watch.refusals);
    const isRefused = (source: string) => (watch.refusals.get(source) ?? 0) >= (before.get(source) ?? 0) + 2;
    await until('the others to be refused', () => watch.problems.length > 0 || sources.every(isRefused), patienceMs);
    expect(watch.problems.slice(0, 5)).toEqual([]);
  }

  function expectEachRemovedOnce(ids: readonly { readonly id: string }[]): void {
    expect(watch.problems.slice(0, 5)).toEqual([]);
    expect([...watch.removals.keys()].toSorted()).toEqual(ids.map(({ id }) => id).toSorted());
    expect([...watch.removals.values()].filter((times) => times !== 1)).toEqual([]);
  }

  test('what expires is removed once, by one process at a time, and nothing else is', async () => {
    const minutes = [1, 2, 3, 4, 5];
    const expiring = minutes.map((minute) => contextsOf(`minute ${minute}`, 150, minute * minuteMs));
    const staying = [...contextsOf('later', 50, 600 * minuteMs), ...contextsOf('for ever', 50, null)];
    await Promise.all([...expiring, staying].map((some, index) => createContexts(chords[index % 3]?.url ?? '', some)));
    const readers = readersAt(
      chords.map(({ url }) => url),
      'minute 3:7',
    );
    await until('the readers', () => readers.every((reader) => reader.isAt(1)));
    for (const minute of minutes) {
      clock.advance(minuteMs);
      await until(`minute ${minute}`, () => watch.removed(`minute ${minute}:`) === 150, patienceMs);
    }
    await until('the readers to hear of it', () =>
      readers.every(({ kinds, problems }) => problems.length > 0 || kinds.includes('ContextGone')),
    );
    const numbers = () => chords.flatMap(({ log }) => log).map(({ contextsExpired = 0 }) => Number(contextsExpired));
    const sum = () => numbers().reduce((total, number) => total + number, 0);
    await until('the reports', () => sum() >= 750);
    for (const reader of readers) reader.leave();

    expectEachRemovedOnce(expiring.flat());
    expect(sum()).toBe(750);
    for (const { events, kinds } of readers) {
      expect(kinds).toEqual(['FULL NO_POSITION', 'ContextGone']);
      expect(events.at(-1)).toMatchObject({ cause: 'EXPIRED' });
    }
    const { data } = await post(`${anyUrl()}/graphql`, { query: '{ contexts(limit: 1) { totalCount } }' });
    expect(data).toEqual({ contexts: { totalCount: staying.length } });
    // That they met: else it is no wonder that there were no two at once.
    await until('all to have asked for the lease', () =>
      [...bySource.keys()].every((source) => (watch.asked.get(source) ?? 0) > 5),
    );
    expect(watch.refusals.size).toBeGreaterThan(0);
  });

  /** Nobody else does anything until its lease is over; then one of the others removes the rest. */
  async function expectReplaced({ source, due }: Pick<Paused, 'source' | 'due'>): Promise<void> {
    const fence = watch.holder?.fence ?? 0;
    const others = [...bySource.keys()].filter((other) => other !== source);
    await refusedOnceMore(others);
    expect(watch.holder).toMatchObject({ source, fence });
    expect(watch.removed('due')).toBeLessThan(due.length);

    clock.advance(leaseIsOverMs);
    await until('another to remove the rest', () => watch.removed('due') === due.length, patienceMs);
    const next = watch.tenures.find((tenure) => tenure.fence > fence);
    expect(next).toMatchObject({ fence: fence + 1 });
    expect(others).toContain(next?.source);
    expectEachRemovedOnce(due);
  }

  test('one that hangs in the midst of a pass is replaced when its lease is over, and does no more of it', async () => {
    const { source, chord, due } = await pausedInAPass();
    await expectReplaced({ source, due });
    const asked = watch.asked.get(source) ?? 0;
    chord.resume();
    await until('the old one to ask for the lease', () => (watch.asked.get(source) ?? 0) > asked + 1, patienceMs);
    // What it had decided on before it hung, and not sent. It finds nothing to remove.
    const late = watch.problems.splice(0);
    expect(late.filter((problem) => !problem.startsWith('expire '))).toEqual([]);
    expect(late.length).toBeLessThanOrEqual(width);
    expectEachRemovedOnce(due);
  });

  test('one that dies in the midst of a pass is replaced when its lease is over, and the rest is removed', async () => {
    const { source, chord, due } = await pausedInAPass();
    expect(await chord.end('SIGKILL')).toBe('SIGKILL');
    await expectReplaced({ source, due });
  });
});

test('what a pass costs follows what is due, not how many contexts there are', { timeout: 120_000 }, async () => {
  await redis.cli('FLUSHALL');
  const few = await costOfPass('few:', { living: 100, due: 50 });
  const many = await costOfPass('many:', { living: 5_000, due: 50 });
  const more = await costOfPass('more:', { living: 100, due: 500 });
  expect(many).toEqual(few);
  // One script for each that is due; looking for it is in the numbers above, too.
  expect(few.get('evalsha')).toBeGreaterThanOrEqual(50);
  expect(more.get('evalsha')).toBeGreaterThanOrEqual((few.get('evalsha') ?? 0) + 450);
});

/** How often each command on keys is run, in scripts and by themselves, while one pass removes what is due. */
async function costOfPass(
  prefix: string,
  { living, due }: { readonly living: number; readonly due: number },
): Promise<ReadonlyMap<string, number>> {
  const clock = new MovedClock(redis.directory);
  const chord = await ChordProcess.start([...flagsFor(prefix, 0), '--config', clock.config], { script });
  try {
    await createContexts(chord.url, contextsOf('living', living / 2, null));
    await createContexts(chord.url, contextsOf('later', living / 2, 600 * minuteMs));
    await createContexts(chord.url, contextsOf('due', due, minuteMs));
    clock.advance(minuteMs);
    const before = await calls();
    const { data } = await post(`${chord.url}/graphql`, {
      query: 'mutation { runCleanup { report { contextsExpired remaining } } }',
    });
    expect(data).toEqual({ runCleanup: { report: { contextsExpired: due, remaining: false } } });
    const after = await calls();
    return new Map([...after].map(([name, number]) => [name, number - (before.get(name) ?? 0)]));
  } finally {
    await chord.end('SIGKILL');
  }
}

/** By command; without those that connections make now and then. */
async function calls(): Promise<ReadonlyMap<string, number>> {
  const stats = await redis.info('commandstats');
  const names = ['evalsha', 'zrangebyscore', 'zrange', 'zrem', 'zadd', 'get', 'set', 'del', 'xtrim', 'spublish'];
  return new Map(names.map((name) => [name, Number(/calls=(\d+)/.exec(stats.get(`cmdstat_${name}`) ?? '')?.[1] ?? 0)]));
}
