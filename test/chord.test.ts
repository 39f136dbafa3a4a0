import { describe, expect, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { createChord } from '../src/chord.ts';
import { ConfigError } from '../src/config/config-error.ts';
import type { OptionValues } from '../src/config/table.ts';
import { type AppOptions, type ChordOptions, MemoryBackend, silentLogger } from '../src/index.ts';

/** What only the types of a caller in JavaScript let through. */
const untyped = (options: object): never => options as never;

describe('createChord', () => {
  test.each([
    [{ backend: 'memory' }, 'backend is "memory"; expected an object.'],
    [{ deltaFormatter: 'flat' }, 'deltaFormatter is "flat"; expected a function.'],
    [{ port: 4000 }, 'There is no option port of createChord.'],
    [{ deltaTreshold: 5 }, 'Did you mean deltaThreshold?'],
    [{ maxStateBytes: '1 MB' }, 'maxStateBytes is "1 MB"; expected an integer'],
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
    [{ backend: 'mysql' }, 'backend is "mysql"; expected memory.'],
    [{ backend: null }, 'backend is null; expected memory.'],
    [{ prot: 4000 }, 'Did you mean port?'],
  ])('refuses %j, and says why', (options, message) => {
    expect(() => createApp(untyped({ ...options, logger: silentLogger }))).toThrow(message);
  });

  test('serves the contexts of the library', async () => {
    await using app = createApp({ port: 0, logger: silentLogger });
    const { url } = await app.start();
    await app.chord.setContext('c', { n: 1 });
    const answer = await fetch(`${url}/graphql?query={context(id:"c"){state}}`);
    expect(await answer.json()).toEqual({ data: { context: { state: { n: 1 } } } });
  });
});

test('the types of the options name every option of the table', () => {
  type Own = 'backend' | 'clock' | 'deltaFormatter' | 'logger';
  type Missing = Exclude<keyof OptionValues, keyof AppOptions>;
  type Invented = Exclude<keyof AppOptions | keyof ChordOptions, keyof OptionValues | Own>;
  const none: [Missing, Invented] extends [never, never] ? true : never = true;
  expect(none).toBe(true);
});
