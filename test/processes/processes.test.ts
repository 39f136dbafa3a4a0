/* Several servers on one Redis, each in a process of its own, and clients over real sockets. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Keys } from '../../src/backend/redis/keys.ts';
import { RawWebSocket } from '../server/raw-websocket.ts';
import { builtProgram } from '../support/built.ts';
import { type ChordProcess, startChords, startScript } from '../support/chord-process.ts';
import { stopCommands } from '../support/command.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { followOperation } from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { Balancer } from './balancer.ts';
import { type Reader, readersAt } from './reader.ts';
import { setContext, updateContext, updateForSure } from './writes.ts';

const prefix = 'several:';

let redis: RedisServer;
/** Those that run. */
let chords: ChordProcess[];

beforeAll(async () => {
  redis = await startRedis();
  const flags = ['--backend', 'redis', '--redis-url', redis.url, '--redis-prefix', prefix, '--port', '0'];
  const script = await builtProgram();
  chords = await startChords(4, [...flags, '--delta-threshold', '10000'], { script });
});
afterAll(async () => {
  await stopCommands();
  await redis?.stop();
});

/** The process whose turn it is. */
function urlOf(index: number): string {
  return chords[index % chords.length]?.url ?? '';
}

function fields(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `field ${index}`);
}

function stateOf(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, 1]));
}

async function everybody(what: string, readers: readonly Reader[], version: number): Promise<void> {
  await until(`${what} at everybody`, () => readers.every((reader) => reader.isAt(version)), 30_000);
}

/** What is wrong with readers that were to be told everything, once, from the beginning on. */
function problemsOf(readers: readonly Reader[]): readonly unknown[] {
  return readers.flatMap(({ name, problems, kinds: [first, ...others] }) => {
    const wrong = others.filter((kind) => kind !== 'Delta' && kind !== 'NoChange');
    const all = [...problems, ...(first === 'FULL NO_POSITION' ? [] : [first]), ...wrong];
    return all.map((problem) => `${name}: ${String(problem)}`);
  });
}

test('of 200 writes racing in 4 processes none is lost, and followers at each of them see each once', async () => {
  const names = fields(200);
  await setContext(urlOf(0), { id: 'race', state: {} });
  const readers = readersAt(
    chords.map(({ url }) => url),
    'race',
  );
  await everybody('the first version', readers, 1);
  const writes = names.map((name, index) => updateContext(urlOf(index), { id: 'race', changes: { [name]: 1 } }));
  const versions = (await Promise.all(writes)).map(({ version }) => version);
  await everybody('the last version', readers, 201);
  for (const reader of readers) reader.leave();

  expect(versions.toSorted((a, b) => a - b)).toEqual(names.map((_, index) => index + 2));
  expect(problemsOf(readers)).toEqual([]);
  for (const { copy, changes, kinds } of readers) {
    expect(copy?.state).toEqual(stateOf(names));
    expect(changes).toBe(200);
    expect(kinds).not.toContain('NoChange');
  }
});

test('a write that is sent to two processes under one key is applied once', async () => {
  const names = fields(100);
  await setContext(urlOf(0), { id: 'keys', state: { count: 0 } });
  const send = (name: string, index: number) =>
    updateContext(urlOf(index), { id: 'keys', changes: { [name]: 1 }, key: name });
  const pairs = await Promise.all(
    names.map((name, index) => Promise.all([send(name, index), send(name, index + 1), send(name, index + 2)])),
  );
  const late = await Promise.all(names.map((name, index) => send(name, index + 3)));

  for (const [index, answers] of pairs.entries()) {
    const all = [...answers, ...late.slice(index, index + 1)];
    expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(all.map(({ version }) => version)).size).toBe(1);
    expect(late[index]?.duplicate).toBe(true);
  }
  const { version } = await updateContext(urlOf(0), { id: 'keys', changes: { count: 1 } });
  expect(version).toBe(102);
});

test('when the first writer in the queue dies, others go on within a second', async () => {
  const waited: number[] = [];
  // A machine that does other things may be slow once.
  for (const id of ['queue 1', 'queue 2', 'queue 3']) {
    await setContext(urlOf(0), { id, state: {} });
    const loser = startScript(fileURLToPath(new URL('loser.ts', import.meta.url)), [redis.url, prefix, id]);
    await loser.printed(/behind/);
    const writes = [1, 2].map((index) => updateContext(urlOf(index), { id, changes: { [`field ${index}`]: 1 } }));
    const queue = `${new Keys(prefix).partitionOf(id)}queue:${id}`;
    await until('two others to wait', async () => String(await redis.cli('GET', queue)).split(',').length === 3);
    loser.kill('SIGKILL');
    await loser.exit;
    const diedMs = performance.now();
    const versions = (await Promise.all(writes)).map(({ version }) => version);
    waited.push(performance.now() - diedMs);
    expect(versions.toSorted((a, b) => a - b)).toEqual([2, 3]);
  }
  expect(Math.min(...waited)).toBeLessThan(1_000);
});

// The last test, since it ends processes.
test.each([
  { how: 'is killed', signal: 'SIGKILL', exit: 'SIGKILL', code: 1006 },
  { how: 'is stopped', signal: 'SIGTERM', exit: 0, code: 1012 },
] as const)(
  'when a process $how, its subscribers go on elsewhere from their positions, and no write is lost or done twice',
  async ({ how, signal, exit, code }) => {
    const [ending, ...others] = chords;
    if (ending === undefined) throw new TypeError('There is no process.');
    await using balancer = await Balancer.listen(chords.map(({ port }) => port));
    await setContext(urlOf(1), { id: how, state: { ballast: 'x'.repeat(10_000) } });
    const readers: Reader[] = [];
    for (let round = 0; round < 3; round++) {
      readers.push(...readersAt([balancer.url], how));
      await everybody('the first version', readers, 1);
    }
    expect(balancer.given.get(ending.port)).toBeGreaterThanOrEqual(2);
    const raw = await RawWebSocket.open(`${ending.url.replace('http', 'ws')}/graphql`);
    await raw.init();
    raw.send({ id: 'one', type: 'subscribe', payload: followOperation(how) });
    await raw.messages.next();

    const names = fields(300);
    let written = 0;
    const write = async (lane: number) => {
      for (let index = lane; index < names.length; index += 6) {
        const name = names[index] ?? '';
        await updateForSure(balancer.url, { id: how, changes: { [name]: 1 }, key: name });
        written++;
      }
    };
    const writing = Promise.all([0, 1, 2, 3, 4, 5].map(write));
    const ended = until('a third is written', () => written >= 100).then(() => ending.end(signal));
    await Promise.all([writing, ended]);
    await everybody('the last version', readers, 301);
    for (const reader of readers) reader.leave();

    expect(await ended).toBe(exit);
    expect(await raw.closed).toMatchObject({ code });
    expect(problemsOf(readers)).toEqual([]);
    for (const { copy, changes } of readers) {
      expect(copy?.state).toEqual({ ...stateOf(names), ballast: 'x'.repeat(10_000) });
      expect(changes).toBe(300);
    }
    expect(others.flatMap(({ log }) => log).filter(({ level }) => level === 'error')).toEqual([]);
    chords = others;
  },
  60_000,
);
