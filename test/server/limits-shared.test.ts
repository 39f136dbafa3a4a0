/* Rates that several processes count together in Redis, and each for itself while that is away. */
import { afterEach, describe, expect, test } from 'vitest';
import type { AppOptions } from '../../src/app/app.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import { SharedRate } from '../../src/server/limits/rate.ts';
import { type GraphQLResult, type Operation, post, type RunningApp, startApp, stopApps } from '../support/app.ts';
import { ManualClock, settle } from '../support/clock.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { freshPrefix, sharedRedis } from '../support/redis/shared.ts';
import { soon, until } from '../support/wait.ts';
import { askOn, refusalOf } from './limits-stage.ts';
import { RawWebSocket } from './raw-websocket.ts';

/** Redis as a store of rates that does what the test says. */
class Store {
  asked = 0;
  isAway = false;
  isHanging = false;
  retryAfterMs: number | undefined;
  readonly #held: ((answer: undefined) => void)[] = [];

  readonly take = async (): Promise<number | undefined> => {
    this.asked++;
    if (this.isAway) throw new BackendUnavailableError('The store is away.', 'NOT_STORED');
    if (this.isHanging) return new Promise((resolve) => this.#held.push(resolve));
    return this.retryAfterMs;
  };

  answerAll(): void {
    for (const resolve of this.#held) resolve(undefined);
  }
}

function stage(perSecond = 2) {
  const clock = new ManualClock();
  const store = new Store();
  return { clock, store, rate: new SharedRate(store.take, perSecond, clock) };
}

describe('a shared rate', () => {
  test('is what the store says, and nothing waits on when it has answered', async () => {
    const { clock, store, rate } = stage();
    for (let n = 0; n < 5; n++) expect(await rate.take('a')).toBeUndefined();
    store.retryAfterMs = 70;
    expect(await rate.take('a')).toBe(70);
    expect(clock.sleepers).toBe(1);
    await clock.advance(250);
    expect(clock.sleepers).toBe(0);
    expect(store.asked).toBe(6);
    expect(await rate.take('a')).toBe(70);
  });

  test('is counted here while the store is away, which is asked again after a second, once', async () => {
    const { clock, store, rate } = stage();
    store.isAway = true;
    expect([await rate.take('a'), await rate.take('a'), await rate.take('a')]).toEqual([undefined, undefined, 500]);
    expect(store.asked).toBe(1);
    await clock.advance(999);
    await rate.take('a');
    expect(store.asked).toBe(1);
    await clock.advance(1);
    for (let n = 0; n < 3; n++) await rate.take('a');
    expect(store.asked).toBe(2);
    await clock.advance(1_000);
    store.isAway = false;
    store.retryAfterMs = 70;
    // Who asks the store on the side is counted here.
    expect(await rate.take('a')).toBeUndefined();
    expect(await rate.take('a')).toBe(70);
  });

  test('a store that hangs delays what is under way, once, and nobody afterwards', async () => {
    const { clock, store, rate } = stage(4);
    store.isHanging = true;
    const held = [rate.take('a'), rate.take('a'), rate.take('b')];
    await clock.advance(250);
    expect(await Promise.all(held)).toEqual([undefined, undefined, undefined]);
    expect(store.asked).toBe(3);
    await clock.advance(1_000);
    // At once, although one of them asks the hanging store.
    for (let n = 0; n < 3; n++) expect(await soon('an answer', rate.take('a'))).toBeUndefined();
    expect(store.asked).toBe(4);
    await clock.advance(250);
    expect(clock.sleepers).toBe(0);
  });

  test('a store that always answers too late is not waited for again and again', async () => {
    const { clock, store, rate } = stage(4);
    store.isHanging = true;
    const held = rate.take('a');
    await clock.advance(250);
    await held;
    store.answerAll();
    await settle();
    expect(await soon('an answer', rate.take('a'))).toBeUndefined();
    expect(store.asked).toBe(1);
  });

  test('a clock that was set back keeps nobody from the store', async () => {
    const { clock, store, rate } = stage();
    store.isAway = true;
    await rate.take('a');
    clock.set(0);
    store.isAway = false;
    await rate.take('a');
    await settle();
    store.retryAfterMs = 70;
    expect(await rate.take('a')).toBe(70);
  });

  test('what the store cannot mean is an error', async () => {
    const rate = new SharedRate(() => Promise.reject(new TypeError('broken')), 1, new ManualClock());
    await expect(rate.take('a')).rejects.toThrow('broken');
  });
});

afterEach(() => stopApps());

type Limits = Pick<AppOptions, 'requestsPerSecond' | 'writesPerSecond' | 'metricsPort'>;

/** What measures a store must not hide that it counts. */
const measured = { metricsPort: 0 };

/** Two processes in one, on one Redis. Who waited for that while it hangs would wait for longer than a test does. */
async function startTwo(redisUrl: readonly string[], limits: Limits): Promise<readonly [RunningApp, RunningApp]> {
  const options = {
    backend: 'redis',
    redisUrl: [...redisUrl],
    redisPrefix: freshPrefix(),
    redisTimeoutMs: 60_000,
    ...limits,
  } as const;
  return [await startApp(options), await startApp(options)];
}

const typename: Operation = { query: '{ __typename }' };

function writes(count: number): Operation {
  const fields = Array.from({ length: count }, (_, n) => `w${n}: setContext(id: "c${n}", state: {}) { __typename }`);
  return { query: `mutation { ${fields.join(' ')} }` };
}

async function open({ webSocketUrl }: RunningApp): Promise<RawWebSocket> {
  const socket = await RawWebSocket.open(webSocketUrl);
  await socket.init();
  return socket;
}

/** On the socket, for the answer alone. */
async function ask(socket: RawWebSocket, id: string, operation: Operation): Promise<GraphQLResult> {
  const result = await askOn(socket, id, operation);
  // A refusal is an end.
  if (result.errors === undefined) await socket.messages.next();
  return result;
}

describe('two servers on one Redis', () => {
  test('together let no more requests through than one, over HTTP and WebSocket', async () => {
    const [one, other] = await startTwo(await sharedRedis(), { requestsPerSecond: 2 });
    const [oneSocket, otherSocket] = [await open(one), await open(other)];
    const beganMs = Date.now();
    const results: GraphQLResult[] = [];
    for (let round = 0; round < 5; round++) {
      results.push(
        ...(await Promise.all([
          post(one.url, typename),
          post(other.url, typename),
          ask(oneSocket, `${round}`, typename),
          ask(otherSocket, `${round}`, typename),
        ])),
      );
    }
    const passedMs = Date.now() - beganMs;
    const done = results.filter(({ errors }) => errors === undefined).length;
    expect(done).toBeGreaterThanOrEqual(2);
    expect(done).toBeLessThanOrEqual(2 + Math.ceil(passedMs / 500));
    const refusals = results.filter(({ errors }) => errors !== undefined).map(refusalOf);
    expect(refusals).not.toEqual([]);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: 'LIMIT_EXCEEDED', option: 'requestsPerSecond', max: 2, actual: 3 });
    }
    expect(one.logger.errors).toEqual([]);
  });

  test('what is written by one is paid off at the other', async () => {
    const [one, other] = await startTwo(await sharedRedis(), {
      ...measured,
      writesPerSecond: 1,
      requestsPerSecond: 1_000,
    });
    expect((await post(one.url, writes(60))).errors).toBeUndefined();
    for (const refused of [
      await ask(await open(other), '1', writes(1)),
      await post(other.url, writes(1)),
      await ask(await open(one), '1', writes(1)),
    ]) {
      const refusal = refusalOf(refused);
      expect(refusal).toMatchObject({ code: 'LIMIT_EXCEEDED', option: 'writesPerSecond', max: 1 });
      // Up to a minute; each process alone would have let it through, or said so of itself only.
      expect(Number((refusal as { readonly retryAfterMs?: unknown }).retryAfterMs)).toBeGreaterThan(1_000);
    }
    // Requests are counted apart.
    expect((await post(other.url, typename)).errors).toBeUndefined();
    expect(refusalOf(await post(other.url, writes(1)))).toMatchObject({ option: 'writesPerSecond' });
  });
});

const faults: readonly (readonly [string, (redis: RedisServer) => unknown, (redis: RedisServer) => unknown])[] = [
  ['hangs', (redis) => redis.pause(), (redis) => redis.resume()],
  ['is gone', (redis) => redis.kill(), (redis) => redis.start()],
];

describe.each(faults)('a Redis that %s', (_, begin, end) => {
  test('what needs no store is served by limits of the process, and by shared ones when it is back', async () => {
    await using redis = await startRedis();
    const [one, other] = await startTwo([redis.url], { requestsPerSecond: 3 });
    const sockets = [await open(one), await open(other)] as const;
    await begin(redis);
    for (const [server, socket] of [
      [one, sockets[0]],
      [other, sockets[1]],
    ] as const) {
      expect(await soon('an answer', post(server.url, typename))).toEqual({ data: { __typename: 'Query' } });
      const viewer = { query: '{ viewer { __typename } }' };
      expect((await soon('an answer', ask(socket, '1', viewer))).errors).toBeUndefined();
      // A bucket of its own: at most what it holds and gets meanwhile.
      const beganMs = Date.now();
      const results = await Promise.all(Array.from({ length: 30 }, () => post(server.url, typename)));
      const done = results.filter(({ errors }) => errors === undefined).length;
      expect(done).toBeLessThanOrEqual(3 + Math.ceil(((Date.now() - beganMs) * 3) / 1_000));
    }
    await end(redis);
    await redis.cli('FLUSHALL');
    // Nothing but the shared count writes there.
    await until('the store is asked again', async () => {
      await post(one.url, typename);
      return ((await redis.cli('KEYS', '*:rate:*')) as readonly string[]).length > 0;
    });
    expect([...one.logger.lines, ...other.logger.lines].filter(({ message }) => /rate|limit/i.test(message))).toEqual(
      [],
    );
    for (const { socket } of sockets) socket.close();
  });
});
