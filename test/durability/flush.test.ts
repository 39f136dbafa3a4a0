import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { soon, until } from '../support/wait.ts';
import { type Answer, DiskProcess, type DiskWrite } from './disk-process.ts';
import { flush, flushes, hangs, isLastStep, notRun, pageWrites, straceProblem } from './strace.ts';

const checked = mkdtempSync(join(tmpdir(), 'chord-'));
const problem = await straceProblem(checked);
rmSync(checked, { recursive: true });

describe.skipIf(problem !== undefined)(`while the disk does not answer${notRun(problem)}`, { timeout: 60_000 }, () => {
  test.each([
    { memory: 'with every context in memory', cacheBytes: undefined },
    { memory: 'with no context in memory', cacheBytes: 1 },
  ])('no write is answered, announced or readable before its flush returned, $memory', async ({ cacheBytes }) => {
    const store = await start({ cacheBytes });
    expect(await problemsWhileHidden(store)).toEqual([]);
  });

  test('no write is answered, announced or readable before its last page is written', async () => {
    const store = await start({});
    // Which call writes that page differs from commit to commit: they are held up here and there until it is the one.
    let isFound = false;
    let nth = 1;
    for (let attempt = 0; attempt < 60 && !isFound; attempt++) {
      const strace = await store.fault({ calls: 'pwrite64', effect: `${hangs}:when=${nth}` });
      let isAnswered = false;
      const before = await store.look(ids);
      const eventsBefore = await store.ask({ kind: 'events', contextId: 'a' });
      const answers = store.write({ verb: 'update', id: 'a', value: { attempt } }).then((all) => {
        isAnswered = true;
        return all;
      });
      const hanging = () => strace.hanging(/pwrite64\(/, nth);
      await until('a call that hangs, or the answer', () => isAnswered || hanging() !== undefined);
      const call = hanging();
      isFound = call !== undefined && isLastStep(call);
      nth = call === undefined ? 1 : nth + 1;
      const now = call === undefined ? before : await store.look(ids);
      const events = call === undefined ? eventsBefore : await store.ask({ kind: 'events', contextId: 'a' });
      expect(now).toEqual(before);
      expect(events).toEqual(eventsBefore);
      expect(isAnswered).toBe(call === undefined);
      await strace.end();
      expect(await soon('the answer', answers)).toMatchObject([{ kind: 'done', version: attempt + 2 }]);
    }
    expect(isFound).toBe(true);
    expect(await store.ask({ kind: 'problems' })).toEqual([]);
  });

  test('a write that takes too long is answered UNKNOWN, and seen and announced once it is on the disk', async () => {
    const store = await start({ writeTimeoutMs: 300 });
    const strace = await store.fault({ calls: flushes, effect: hangs });
    const before = await store.look(ids);
    const update: DiskWrite = { verb: 'update', id: 'a', value: { late: true }, key: 'late' };
    const answers = await soon('the answers', store.write(update, { verb: 'set', id: 'new', value: {} }));
    expect(answers).toEqual([unknown, unknown]);
    expect(strace.hanging(flush, 1)).toBeDefined();
    expect(await store.look(ids)).toEqual(before);
    // What is written meanwhile waits behind it, and is answered in time too.
    const later: DiskWrite = { verb: 'update', id: 'a', value: { later: true }, key: 'later' };
    expect(await soon('the answer', store.write(later))).toEqual([unknown]);
    expect(await store.look(ids)).toEqual(before);
    await strace.end();
    await until('the first write', async () => (await store.look(ids)).contexts['a']?.state['late'] === true);
    expect(await store.write(update)).toMatchObject([{ kind: 'done', duplicate: true, version: 2 }]);
    expect(await store.write(later)).toMatchObject([{ kind: 'done', version: 3 }]);
    const { contexts } = await store.look(ids);
    expect(contexts).toMatchObject({ a: { version: 3, state: { late: true, later: true } }, new: { version: 1 } });
    await until('the follower', async () => (await store.followed('a'))?.position.version === 3);
    expect((await store.followed('a'))?.state).toEqual(contexts['a']?.state);
    expect(await store.ask({ kind: 'problems' })).toEqual([]);
  });

  test('closing lets what is under way reach the disk', async () => {
    const store = await start({});
    const strace = await store.fault({ calls: flushes, effect: hangs });
    const first = store.write({ verb: 'update', id: 'a', value: { n: 1 } });
    await until('a flush that hangs', () => strace.hanging(flush, 1) !== undefined);
    // It waits for the next flush.
    const second = store.write({ verb: 'update', id: 'b', value: { n: 2 } });
    const closed = store.ask({ kind: 'close' });
    // The process hears of both before it hears of this.
    expect(await store.ask({ kind: 'problems' })).toEqual([]);
    await strace.end();
    expect(await soon('the answers', Promise.all([first, second]))).toMatchObject([
      [{ kind: 'done' }],
      [{ kind: 'done' }],
    ]);
    expect(await soon('the end of close()', closed)).toMatchObject({ kind: 'done' });
    const reopened = LmdbBackend.open({ path: store.path });
    expect((await reopened.heads(['a', 'b'])).map((head) => head?.version)).toEqual([2, 2]);
    await reopened.close();
  });

  test('closing ends in time', async () => {
    const store = await start({ writeTimeoutMs: 300 });
    const strace = await store.fault({ calls: flushes, effect: hangs });
    const answers = store.write({ verb: 'set', id: 'a', value: {} });
    await until('a flush that hangs', () => strace.hanging(flush, 1) !== undefined);
    const closed = store.ask({ kind: 'close' });
    expect(await soon('the answer', answers)).toEqual([unknown]);
    await soon('the end of close()', closed, 10_000);
    expect(strace.hanging(flush, 1)).toBeDefined();
  });

  test('a ping after a failure ends in time', async () => {
    const store = await start({ writeTimeoutMs: 300 });
    const broken = await store.fault({ calls: flushes, effect: 'error=EIO' });
    expect(await store.write({ verb: 'set', id: 'a', value: {} })).toEqual([unknown]);
    await broken.end();
    const strace = await store.fault({ calls: flushes, effect: hangs });
    expect(await soon('the ping', store.ask({ kind: 'ping' }), 10_000)).toMatchObject({ kind: 'refused' });
    expect(strace.hanging(flush, 1)).toBeDefined();
  });
});

const ids = ['a', 'b', 'c', 'd', 'new'];
const unknown = expect.objectContaining({ kind: 'refused', code: 'BACKEND_UNAVAILABLE', outcome: 'UNKNOWN' });

/** A store with contexts that are followed. */
async function start(options: {
  readonly cacheBytes?: number | undefined;
  readonly writeTimeoutMs?: number | undefined;
}) {
  const path = join(temporaryDirectory(), 'data');
  mkdirSync(path);
  const store = await DiskProcess.start({ path, ...options });
  for (const id of ['a', 'b', 'c', 'd']) await store.write({ verb: 'set', id, value: { id }, ttlMs: 3_600_000 });
  await store.write({ verb: 'set', id: 'z', value: { id: 'z' } });
  for (const id of ['a', 'new']) await store.ask({ kind: 'follow', contextId: id });
  await until('the first events', async () => {
    const all = await Promise.all(['a', 'new'].map((contextId) => store.ask({ kind: 'events', contextId })));
    return all.every((events) => events.length > 0);
  });
  return store;
}

/** One of each. */
function changes(key: string): readonly DiskWrite[] {
  return [
    { verb: 'update', id: 'a', value: { [key]: 1 }, key },
    { verb: 'update', id: 'a', value: { [key]: 2 } },
    { verb: 'set', id: 'b', value: { [key]: 3 }, ttlMs: 60_000 },
    { verb: 'delete', id: 'c' },
    { verb: 'expire', id: 'd' },
    { verb: 'set', id: 'new', value: { [key]: 4 } },
  ];
}

/** What nobody handled while writes were held up that nobody may see. */
async function problemsWhileHidden(store: DiskProcess): Promise<readonly string[]> {
  const { contexts } = await store.look(ids);
  const since = Object.fromEntries(
    Object.entries(contexts).flatMap(([id, found]) =>
      found === null ? [] : [[id, { epoch: found.epoch, version: found.version }]],
    ),
  );
  const before = await store.look(ids, since);
  const heard = await Promise.all(['a', 'new'].map((contextId) => store.ask({ kind: 'events', contextId })));
  const strace = await store.fault(
    // Long enough for the others to come together behind the first.
    { calls: pageWrites, effect: 'delay_enter=1s:when=1' },
    { calls: flushes, effect: `${hangs}:when=2` },
  );
  // It changes nothing that is looked at.
  const first = store.write({ verb: 'set', id: 'z', value: { id: 'z' } });
  await until('the first write', () => strace.calls.length > 0);
  let answered: readonly Answer[] | undefined;
  const answers = store.write(...changes('k')).then((all) => {
    answered = all;
    return all;
  });
  await until('the second flush', () => strace.hanging(flush, 2) !== undefined);
  // Again and again: reading makes contexts hot.
  for (let times = 0; times < 5; times++) expect(await store.look(ids, since)).toEqual(before);
  const now = await Promise.all(['a', 'new'].map((contextId) => store.ask({ kind: 'events', contextId })));
  expect(now).toEqual(heard);
  expect(answered).toBeUndefined();
  expect(strace.hanging(flush, 2)).toBeDefined();
  await strace.end();
  expect(await soon('the first answer', first)).toMatchObject([{ kind: 'done' }]);
  expect((await soon('the answers', answers)).map(({ kind }) => kind)).toEqual(Array(6).fill('done'));
  const after = await store.look(ids, since);
  expect(after.contexts).toMatchObject({
    a: { version: 3, state: { k: 2 } },
    b: { version: 2 },
    c: null,
    d: null,
    new: { version: 1 },
  });
  await until('the followers', async () => {
    const [a, created] = await Promise.all(['a', 'new'].map((id) => store.followed(id)));
    return a?.position.version === 3 && created?.position.version === 1;
  });
  return store.ask({ kind: 'problems' });
}
