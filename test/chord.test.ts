import { describe, expect, test } from 'vitest';
import { createApp } from '../src/app/app.ts';
import { createChord } from '../src/chord.ts';
import { ConfigError } from '../src/config/config-error.ts';
import type { OptionValues } from '../src/config/table.ts';
import { type AppOptions, type ChordOptions, MemoryBackend, silentLogger } from '../src/index.ts';
import { temporaryDirectory } from './support/lmdb.ts';

/** What only the types of a caller in JavaScript let through. */
const untyped = (options: object): never => options as never;

function refusalOf(options: object): unknown {
  try {
    createApp(untyped(options));
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('createChord', () => {
  test.each([
    [{ backend: 'memory' }, 'backend is "memory"; expected an object.'],
    [{ deltaFormatter: 'flat' }, 'deltaFormatter is "flat"; expected a function.'],
    [{ port: 4000 }, 'There is no option port of createChord.'],
    [{ deltaTreshold: 5 }, 'Did you mean deltaThreshold?'],
    [{ maxStateBytes: '1 MB' }, 'maxStateBytes is "1 MB"; expected an integer'],
    [{ exporter: 'file' }, 'exporter is "file"; expected an object.'],
    [{ exporter: {} }, 'expected one of none, file, webhook, s3 (in the file also an object with exportContext).'],
    [{ exportBeforeExpire: true }, 'exportBeforeExpire is true, so exporter (CHORD_EXPORTER, --exporter) must be set.'],
    [{ restoreOnMiss: true }, 'restoreOnMiss is true, so provider (CHORD_PROVIDER, --provider) must be set.'],
  ])('refuses %j, and says why', (options, message) => {
    expect(() => createChord(untyped(options))).toThrow(ConfigError);
    expect(() => createChord(untyped(options))).toThrow(message);
  });

  test('closes the backend that it was given', async () => {
    const backend = new MemoryBackend();
    await createChord({ backend }).close();
    await expect(backend.ping()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });
});

describe('createApp', () => {
  test.each([
    [{ backend: 'mysql' }, 'backend is "mysql"; expected one of lmdb, memory, redis.'],
    [{ backend: null }, 'backend is null; expected one of lmdb, memory, redis.'],
    [{ backend: 'redis' }, 'backend is "redis", so redisUrl (CHORD_REDIS_URL, --redis-url) must be set.'],
    [{ redisUrl: [] }, 'redisUrl is not shown; expected a URL, or several separated by commas'],
    [{ redisPrefix: 'a{b}:' }, 'redisPrefix is "a{b}:"; expected a text of 1 to 64 bytes without spaces and braces.'],
    [{ redisPrefix: 'ä'.repeat(33) }, 'expected a text of 1 to 64 bytes'],
    [{ prot: 4000 }, 'Did you mean port?'],
  ])('refuses %j, and says why', (options, message) => {
    expect(() => createApp(untyped({ ...options, logger: silentLogger }))).toThrow(message);
  });

  const unusable = [
    [{ exporter: 's3' }, 'exporter is "s3", so s3Bucket '],
    [{ exporter: 'webhook', webhookExportUrl: 'hush', webhookSecret: 'hush' }, 'webhookExportUrl'],
    [{ provider: 's3', s3Bucket: 'b', s3Endpoint: 'http://hush:hush@a.test' }, 's3Endpoint'],
    [{ backend: 'redis', redisUrl: 'redis://:hush@one:two' }, 'redisUrl'],
    [{ backend: 'redis', redisUrl: ['redis://:hush@one', 'rediss://:hush@two'] }, 'redisUrl'],
    [{ deltaFormatter: 'flat' }, 'deltaFormatter'],
    [{ clock: 'quartz' }, 'clock'],
  ] as const;

  test.each(unusable)('refuses %j by the name of the option, without a secret', (options, name) => {
    const error = refusalOf({ backend: 'memory', ...options, logger: silentLogger });
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ message: expect.stringContaining(name) });
    expect(error).not.toMatchObject({ message: expect.stringContaining('hush') });
  });

  test.each(unusable)('that refused %j leaves the directory to the next one', async (options) => {
    const given = { dataDir: temporaryDirectory(), port: 0, logger: silentLogger };
    expect(refusalOf({ ...given, ...options })).toBeInstanceOf(Error);
    await createApp(given).stop();
  });

  test('keeps contexts in the directory that it was told, also for the next one', async () => {
    const dataDir = temporaryDirectory();
    const given = { dataDir, port: 0, logger: silentLogger };
    const first = createApp(given);
    const { epoch } = await first.chord.setContext('c', { n: 1 });
    await first.stop();
    await using second = createApp(given);
    expect(await second.chord.getContext('c')).toMatchObject({ epoch, version: 1, state: { n: 1 } });
  });

  test('refuses a directory that is in use, and says by whom', async () => {
    const dataDir = temporaryDirectory();
    await using app = createApp({ dataDir, port: 0, logger: silentLogger });
    await app.chord.setContext('c', {});
    expect(() => createApp({ dataDir, port: 0, logger: silentLogger })).toThrow(
      `The data directory ${dataDir} is in use by another process (process ${process.pid}).`,
    );
  });

  test('serves the contexts of the library', async () => {
    await using app = createApp({ port: 0, backend: 'memory', logger: silentLogger });
    const { url } = await app.start();
    await app.chord.setContext('c', { n: 1 });
    const answer = await fetch(`${url}/graphql?query={context(id:"c"){state}}`);
    expect(await answer.json()).toEqual({ data: { context: { state: { n: 1 } } } });
  });
});

test('the types of the options name every option of the table', () => {
  type Own = 'authenticate' | 'backend' | 'clock' | 'deltaFormatter' | 'logger';
  type Missing = Exclude<keyof OptionValues, keyof AppOptions>;
  type Invented = Exclude<keyof AppOptions | keyof ChordOptions, keyof OptionValues | Own>;
  const none: [Missing, Invented] extends [never, never] ? true : never = true;
  expect(none).toBe(true);
});
