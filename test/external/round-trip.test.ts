/** Contexts leave a real server for a real storage of each built-in kind, and come back, while clients follow them. */
import { stringify } from 'safe-stable-stringify';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { getKey, isJsonObject, type JsonObject, type JsonValue } from '../../src/delta/json.ts';
import { stopApp, stopApps } from '../support/app.ts';
import { installTimeoutMs } from '../support/programs.ts';
import { S3Server } from '../support/s3-server/s3-server.ts';
import {
  eventSourceTransport,
  eventStreamTransport,
  type LiveEvent,
  nextEvent,
  webSocketTransport,
} from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { stopReceivers } from './receiver.ts';
import { type Answer, Stage, ttlMs } from './stage.ts';
import { openBucket, openDirectory, openWebService, type Storage, stubCredentials } from './storages.ts';

let s3Server: S3Server;

beforeAll(async () => {
  stubCredentials();
  s3Server = await S3Server.start();
  return () => s3Server.stop();
}, installTimeoutMs);
afterAll(() => vi.unstubAllEnvs());
afterEach(async () => {
  await stopApps();
  await stopReceivers();
});

const storages: readonly (readonly [string, () => Storage | Promise<Storage>])[] = [
  ['file', () => openDirectory()],
  ['webhook', () => openWebService()],
  ['s3', () => openBucket(s3Server)],
];

const ids = [
  ['an ordinary id', 'call:123'],
  ['a path as id', '../x'],
  ['a device of Windows as id', 'CON'],
  ['an id of 500 bytes', 'é'.repeat(250)],
  ['an emoji and what JSON escapes as id', '🙂/\\"\n'],
] as const;

/** As text: JavaScript has no literal for some of it, and would change the rest on the way. */
const nastyState = `{
  "__proto__": { "__proto__": null, "a": { "constructor": {} } }, "toString": "x", "": [[], {}, null], "0": "é🙂",
  "lone": ["\\ud800", "\\udc00\\ud800", "a\\udfff"], "\\ud83d": "\\u0000\\u2028", "zero": -0, "zeros": [-0, 0.0],
  "big": [9007199254740993, 12345678901234567890, 1.7976931348623157e308, 5e-324, -1e21]
}`;
// What everybody else must make of it.
const nasty = JSON.parse(nastyState) as JsonObject;
const updated = { ...nasty, added: 1 };

/** What is stored of a context, as JSON. */
async function recordIn(storage: Storage, id: string): Promise<JsonObject> {
  const text = await storage.read(id);
  if (text === undefined) throw new Error('nothing was exported');
  // It is what the server has sent.
  return JSON.parse(text) as JsonObject;
}

/** By their text: the keys are in any order, and vitest does not see one that is `__proto__`. */
function expectState(actual: JsonValue | undefined, expected: JsonObject): void {
  expect(stringify(actual)).toBe(stringify(expected));
  // It was -0, which that text does not tell from 0; this does.
  expect(isJsonObject(actual) && getKey(actual, 'zero')).toBe(0);
}

function expectFull(event: LiveEvent, expected: Pick<LiveEvent, 'version'> & { readonly reason: string }): void {
  expect(event).toMatchObject({ __typename: 'FullContext', ...expected });
  expectState(event.context?.state, updated);
}

function positionOf({ epoch, version }: LiveEvent | Answer) {
  return { epoch, version };
}

/** A context at version 2, and somebody who has followed it from before it was there. */
async function openFollowed(storage: Storage, id: string, options: Parameters<typeof Stage.open>[1] = {}) {
  const stage = await Stage.open(storage, options);
  const follower = stage.follow(id);
  expect(await nextEvent(follower)).toMatchObject({ __typename: 'NoContext' });
  const created = await stage.set(id, nastyState);
  const full = await nextEvent(follower);
  expect(full).toMatchObject({ __typename: 'FullContext', reason: 'NO_POSITION', ...positionOf(created) });
  expectState(full.context?.state, nasty);
  await stage.clock.advance(1_000);
  await stage.write('updateContext', { id, changes: { added: 1 } });
  const last = await nextEvent(follower);
  expect(last).toMatchObject({ __typename: 'Delta', epoch: created.epoch, fromVersion: 1, version: 2 });
  return { stage, follower, last: positionOf(last) };
}

describe.each(storages)('%s', (name, openStorage) => {
  test.each(ids)('what expires is exported first, and comes back as it was: %s', async (_, id) => {
    const storage = await openStorage();
    const { stage, follower, last } = await openFollowed(storage, id, { exportBeforeExpire: true });
    expect(await storage.read(id)).toBeUndefined();
    const insertedAt = new Date(stage.clock.now()).toISOString();
    await stage.clock.advance(ttlMs);
    const report = { contextsExpired: 1, tombstonesPurged: 0, exportsFailed: 0, remaining: false };
    expect(await stage.runCleanup()).toEqual(report);
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone', cause: 'EXPIRED', ...last });
    expect(await stage.get(id)).toBeNull();

    const { state, ...record } = await recordIn(storage, id);
    expect(record).toEqual({ format: 'chord.context/1', id, ...last, insertedAt, ttlMs });
    expectState(state, updated);

    const restored = await stage.write('restoreContext', { id });
    expect(restored).toMatchObject({ __typename: 'RestoreContextPayload', contextId: id, version: 3, changed: true });
    expect(restored.epoch).not.toBe(last.epoch);
    expectState(restored.context?.state, updated);
    const back = await nextEvent(follower);
    expectFull(back, { reason: 'EPOCH_CHANGED', ...positionOf(restored) });
    expectState((await stage.get(id))?.state, updated);

    for (const transport of [webSocketTransport, eventStreamTransport, eventSourceTransport]) {
      const resumed = await nextEvent(stage.follow(id, last, transport));
      expectFull(resumed, { reason: 'EPOCH_CHANGED', ...positionOf(restored) });
    }
    await stage.write('updateContext', { id, changes: { added: 2 } });
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'Delta', fromVersion: 3, version: 4 });
  });

  test('the scheduler does so, too, when the context is due', async () => {
    const storage = await openStorage();
    // Time goes on while the storage works.
    const scheduled = { exportBeforeExpire: true, cleanupIntervalMs: 3_600_000, externalTimeoutMs: 86_400_000 };
    const { stage, follower, last } = await openFollowed(storage, 'c', scheduled);
    await stage.clock.advance(ttlMs - 1_000);
    await until('the scheduler has expired it', async () => {
      await stage.clock.advance(1_000);
      return follower.results.unread > 0;
    });
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone', cause: 'EXPIRED', ...last });
    expect(await recordIn(storage, 'c')).toMatchObject({ id: 'c', ...last });
    const restored = await stage.write('restoreContext', { id: 'c' });
    expect(restored).toMatchObject({ version: 3 });
    expectFull(await nextEvent(follower), { reason: 'EPOCH_CHANGED', ...positionOf(restored) });
  });

  test.each(ids)('what was exported and deleted comes back when it is asked for: %s', async (_, id) => {
    const storage = await openStorage();
    const { stage, follower, last } = await openFollowed(storage, id, { restoreOnMiss: true });
    expect(await stage.write('exportContext', { id })).toEqual({
      __typename: 'ExportContextPayload',
      contextId: id,
      ...last,
      exporter: name,
    });
    expect(await recordIn(storage, id)).toMatchObject({ id, ...last });
    await stage.write('deleteContext', { id });
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone', cause: 'DELETED', ...last });

    expect(await stage.get(id)).toBeNull();
    expect(await nextEvent(stage.follow(id))).toMatchObject({ __typename: 'ContextGone', cause: 'DELETED', ...last });
    const restored = await stage.write('restoreContext', { id });
    expect(restored).toMatchObject({ __typename: 'RestoreContextPayload', version: 3, changed: true });
    expectFull(await nextEvent(follower), { reason: 'EPOCH_CHANGED', ...positionOf(restored) });
    expectFull(await nextEvent(stage.follow(id, last)), { reason: 'EPOCH_CHANGED', ...positionOf(restored) });
  });

  test.each(ids)('with restoreOnMiss what has expired comes back when it is read: %s', async (_, id) => {
    const storage = await openStorage();
    const options = { exportBeforeExpire: true, restoreOnMiss: true };
    const { stage, follower, last } = await openFollowed(storage, id, options);
    await stage.clock.advance(ttlMs);
    await stage.runCleanup();
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone', cause: 'EXPIRED', ...last });
    expect(follower.results.unread).toBe(0);
    const found = await stage.get(id);
    expect(found).toMatchObject({ version: 3 });
    expectState(found?.state, updated);
    expectFull(await nextEvent(follower), { reason: 'EPOCH_CHANGED', version: 3 });
  });

  test('a version that nobody remembers any more goes on where the exported one was', async () => {
    const storage = await openStorage();
    const options = { exportBeforeExpire: true, tombstoneTtlMs: 1_000 };
    const { stage, follower, last } = await openFollowed(storage, 'c', options);
    await stage.clock.advance(ttlMs);
    await stage.runCleanup();
    expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone' });
    await stage.clock.advance(1_000);
    expect(await stage.runCleanup()).toMatchObject({ tombstonesPurged: 1 });
    const restored = await stage.write('restoreContext', { id: 'c' });
    expect(restored.version).toBe(last.version);
    expectFull(await nextEvent(stage.follow('c', last)), { reason: 'EPOCH_CHANGED', ...positionOf(restored) });
  });

  test('another server, with nothing but the storage, restores what a first one exported, and reads through', async () => {
    const storage = await openStorage();
    const { stage, last } = await openFollowed(storage, 'c');
    await stage.write('exportContext', { id: 'c' });
    await stopApp(stage.server.app);

    const other = await Stage.open(storage, { restoreOnMiss: true });
    const told = await nextEvent(other.follow('c', last));
    expectFull(told, { reason: 'EPOCH_CHANGED', version: 2 });
    expect(told.epoch).not.toBe(last.epoch);
    expect(await other.get('never')).toBeNull();

    const third = await Stage.open(storage);
    expect(await third.get('c')).toBeNull();
    expect(await third.write('restoreContext', { id: 'c' })).toMatchObject({ version: 2, changed: true });
    expect(await third.write('restoreContext', { id: 'c' })).toMatchObject({ version: 2, changed: false });
  });

  test('what was never exported is no context', async () => {
    const storage = await openStorage();
    const stage = await Stage.open(storage, { restoreOnMiss: true });
    const message = 'There is no context with this id.';
    for (const field of ['restoreContext', 'exportContext'] as const) {
      expect(await stage.write(field, { id: 'c' })).toEqual({ __typename: 'ContextNotFoundError', message });
    }
    expect(await stage.get('c')).toBeNull();
    expect(await nextEvent(stage.follow('c'))).toMatchObject({ __typename: 'NoContext' });
  });
});
