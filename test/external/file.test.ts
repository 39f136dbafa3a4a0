import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DirectoryLock } from '../../src/external/directory-lock.ts';
import { createFileExporter, createFileProvider } from '../../src/external/file.ts';
import { fileName } from '../../src/external/names.ts';
import { maxRecordBytes } from '../../src/external/record.ts';
import { rejectionOf } from '../support/chord.ts';
import { Inbox, soon } from '../support/wait.ts';
import { call, recordOf } from './records.ts';

let home: string;
let directory: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'chord-file-'));
  directory = join(home, 'new', 'exports');
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(home, { recursive: true });
});

function fetchContext(id: string) {
  return createFileProvider(directory).fetchContext(id, call());
}

function exportContext(given: Parameters<typeof recordOf>[0] = {}) {
  return createFileExporter(directory).exportContext(recordOf(given), call());
}

/** What file-child.ts exports. */
function childState(version: number) {
  return { version, text: String(version).padEnd(3_000_000, 'x') };
}

async function leftovers(): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.tmp'));
}

test('what was exported is fetched, whatever the id and the keys', async () => {
  const ids = ['../x', 'CON', 'con', 'a/b', 'a', 'A', 'x.', 'x..', '.', '🙂'.repeat(128), 'x'.repeat(512)];
  const state = JSON.parse('{"__proto__":{"a":1},"\\ud800":[null],"":{}}');
  await Promise.all(ids.map((id, index) => exportContext({ id, version: index + 1, state })));
  for (const [index, id] of ids.entries()) {
    const found = await fetchContext(id);
    expect(found?.version).toBe(index + 1);
    expect(JSON.stringify(found?.state)).toBe(JSON.stringify(state));
  }
  expect((await readdir(directory)).filter((name) => name.endsWith('.json'))).toHaveLength(ids.length);
});

test('the file holds the record, as one line of JSON', async () => {
  await exportContext();
  expect(JSON.parse(await readFile(join(directory, fileName('call:123')), 'utf8'))).toEqual(recordOf());
});

test('directory and files are their owner’s alone', async () => {
  await exportContext();
  const modes = await Promise.all(
    [join(home, 'new'), directory, join(directory, fileName('call:123')), join(directory, '.lock')].map(
      async (path) => (await stat(path)).mode & 0o777,
    ),
  );
  expect(modes).toEqual([0o700, 0o700, 0o600, 0o600]);
});

test('a relative directory is one of where the process was started', async () => {
  directory = relative(process.cwd(), directory);
  await exportContext();
  expect(await readdir(join(home, 'new', 'exports'))).toContain(fileName('call:123'));
});

test('there is nothing in a directory that is missing, nor under an id that was not exported', async () => {
  expect(await fetchContext('c')).toBeNull();
  await exportContext();
  expect(await fetchContext('c')).toBeNull();
});

describe('which version stays', () => {
  test('a newer one replaces an older one of its epoch, and never the other way', async () => {
    await exportContext({ version: 3, state: { n: 3 } });
    await exportContext({ version: 2, state: { n: 2 } });
    expect(await fetchContext('call:123')).toEqual({ version: 3, state: { n: 3 } });
    await exportContext({ version: 4, state: { n: 4 } });
    expect(await fetchContext('call:123')).toEqual({ version: 4, state: { n: 4 } });
  });

  test('another epoch replaces any: epochs have no order', async () => {
    await exportContext({ version: 9 });
    await exportContext({ epoch: 'BBBBBBBBBBBBBBBB', version: 2 });
    expect(await fetchContext('call:123')).toMatchObject({ version: 2 });
  });

  test('of many at once, by several exporters, the newest stays, whole', async () => {
    const records = Array.from({ length: 60 }, (_, index) => {
      const version = ((index * 37) % 60) + 1;
      return recordOf({ version, state: { text: String(version).padEnd(10_000 + index * 100, 'x') } });
    });
    // Each by an exporter of its own, as by other processes.
    await Promise.all(records.map(exportContext));
    const newest = records.find(({ version }) => version === 60);
    expect(await fetchContext('call:123')).toEqual({ version: 60, state: newest?.state });
    expect(await leftovers()).toEqual([]);
  });
});

describe('what is no record', () => {
  test.each([
    ['is cut off', '{"id":"call:123","state":{"hUsH', 'is not JSON'],
    ['is of another context', JSON.stringify(recordOf({ id: 'other' })), 'is of another context'],
    ['has another format', '{"format":"chord.context/2","id":"call:123"}', 'is of another format'],
  ])('and %s is an error when it is read, and is replaced by the next export', async (_, text, problem) => {
    await mkdir(directory, { recursive: true });
    const path = join(directory, fileName('call:123'));
    await writeFile(path, text);
    const error = await rejectionOf(fetchContext('call:123'));
    expect(error).toMatchObject({ message: expect.stringContaining(`${path}: the record ${problem}`) });
    expect(String(error)).not.toContain('hUsH');
    await exportContext();
    expect(await fetchContext('call:123')).toMatchObject({ version: 1 });
  });

  test('and is larger than the bound is not read', async () => {
    await mkdir(directory, { recursive: true });
    const path = join(directory, fileName('c'));
    await writeFile(path, '');
    await truncate(path, maxRecordBytes + 1);
    expect(await rejectionOf(fetchContext('c'))).toMatchObject({
      message: expect.stringContaining('more than 67108864 bytes'),
    });
  });
});

describe('a directory that cannot be used', () => {
  beforeEach(async () => {
    await writeFile(join(home, 'file'), '');
    directory = join(home, 'file', 'exports');
  });

  test('is named, with the reason, when a context is exported', async () => {
    expect(await rejectionOf(exportContext())).toMatchObject({ message: `Cannot export to ${directory}: ENOTDIR.` });
  });

  test('is named when one is fetched', async () => {
    const path = join(directory, fileName('c'));
    expect(await rejectionOf(fetchContext('c'))).toMatchObject({ message: `Cannot read ${path}: ENOTDIR.` });
  });

  test('because its name is a file’s is named, too', async () => {
    directory = join(home, 'file');
    expect(await rejectionOf(exportContext())).toMatchObject({ message: `Cannot export to ${directory}: EEXIST.` });
  });

  test('is used as soon as it can be', async () => {
    const exporter = createFileExporter(directory);
    await rejectionOf(exporter.exportContext(recordOf(), call()));
    await rm(join(home, 'file'));
    await exporter.exportContext(recordOf(), call());
    expect(await fetchContext('call:123')).toMatchObject({ version: 1 });
  });
});

describe('what a crash left', () => {
  const name = `${fileName('call:123')}.0123456789abcdef.tmp`;

  async function leave(ageMs: number): Promise<string> {
    await mkdir(directory, { recursive: true });
    const path = join(directory, name);
    await writeFile(path, '{"half');
    const then = new Date(Date.now() - ageMs);
    await utimes(path, then, then);
    return path;
  }

  test('is never read', async () => {
    await leave(0);
    expect(await fetchContext('call:123')).toBeNull();
  });

  test('is removed by an exporter that begins, when it is an hour old', async () => {
    await leave(3_600_001);
    await exportContext();
    expect(await leftovers()).toEqual([]);
  });

  test('is left alone while it may be what another process writes', async () => {
    await leave(3_500_000);
    await exportContext();
    expect(await leftovers()).toEqual([name]);
  });

  test('is looked for every hour', async () => {
    const exporter = createFileExporter(directory);
    await exporter.exportContext(recordOf(), call());
    await leave(3_600_001);
    await exporter.exportContext(recordOf(), call());
    expect(await leftovers()).toEqual([name]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    await exporter.exportContext(recordOf(), call());
    expect(await leftovers()).toEqual([]);
  });

  test('and is not ours stays', async () => {
    await leave(0);
    const old = new Date(0);
    const others = ['notes.tmp', `${fileName('c')}.bak.tmp`, fileName('c')];
    for (const other of others) {
      await writeFile(join(directory, other), '');
      await utimes(join(directory, other), old, old);
    }
    await exportContext();
    expect(await readdir(directory)).toEqual(expect.arrayContaining(others));
  });

  test.each([5, 14, 25])(
    'by kill -9 after %i exports is no file that is torn, not even meanwhile, nor a lock',
    async (count) => {
      const child = fork(fileURLToPath(new URL('file-child.ts', import.meta.url)), [directory], {
        execArgv: ['--import', 'tsx'],
      });
      const exported = new Inbox<{ readonly id: string; readonly version: number }>('an export of the child');
      // What file-child.ts sends.
      child.on('message', (message) => exported.put(message as { readonly id: string; readonly version: number }));
      const exit = once(child, 'exit');
      // What is read meanwhile is whole, too: a torn file would be no JSON.
      while (exported.all.length < count) await Promise.all([exported.next(), ...['a', 'b', 'c'].map(fetchContext)]);
      // The other two are in the middle of something.
      child.kill('SIGKILL');
      await exit;

      for (const id of ['a', 'b', 'c']) {
        const safe = exported.all.findLast((report) => report.id === id)?.version ?? 0;
        const found = await fetchContext(id);
        const version = found?.version ?? 0;
        expect(version).toBeGreaterThanOrEqual(safe);
        expect(found).toEqual(version === 0 ? null : { version, state: childState(version) });
        await soon('the lock', exportContext({ id, version: version + 1 }));
        expect(await fetchContext(id)).toMatchObject({ version: version + 1 });
      }
    },
  );
});

describe('a caller who leaves', () => {
  test('before the call is told so, and nothing is touched', async () => {
    const reason = new Error('left');
    const signal = AbortSignal.abort(reason);
    expect(await rejectionOf(createFileExporter(directory).exportContext(recordOf(), { signal }))).toBe(reason);
    expect(await rejectionOf(createFileProvider(directory).fetchContext('c', { signal }))).toBe(reason);
    expect(await readdir(home)).toEqual([]);
  });

  test('while another process holds the lock does not wait for it, and leaves nothing behind', async () => {
    await mkdir(directory, { recursive: true });
    const leaving = new AbortController();
    await new DirectoryLock(directory).hold(call().signal, async () => {
      const exported = createFileExporter(directory).exportContext(recordOf(), { signal: leaving.signal });
      await expect.poll(leftovers).toHaveLength(1);
      leaving.abort();
      expect(await rejectionOf(exported)).toBe(leaving.signal.reason);
    });
    expect(await leftovers()).toEqual([]);
    expect(await fetchContext('call:123')).toBeNull();
  });
});

/** Notes who comes in and goes out, with a turn of the file system between, in which another could come in. */
function notedWork(order: string[], name: string) {
  return async () => {
    order.push(`${name} in`);
    await stat(home);
    order.push(`${name} out`);
  };
}

describe('the lock', () => {
  test.each(['one process', 'several'])('is held by one at a time in %s', async (where) => {
    const one = new DirectoryLock(home);
    const order: string[] = [];
    const names = ['a', 'b', 'c', 'd'];
    const locks = names.map((name) => ({ name, lock: where === 'several' ? new DirectoryLock(home) : one }));
    await Promise.all(locks.map(({ name, lock }) => lock.hold(call().signal, notedWork(order, name))));
    expect(order.map((line) => line.split(' ')[1])).toEqual(names.flatMap(() => ['in', 'out']));
    expect(new Set(order).size).toBe(2 * names.length);
  });

  test('is not passed to who left the queue, nor past who is still in it', async () => {
    const lock = new DirectoryLock(home);
    const order: string[] = [];
    const leaving = new AbortController();
    const first = lock.hold(call().signal, async () => {
      const left = lock.hold(leaving.signal, notedWork(order, 'left'));
      const last = lock.hold(call().signal, notedWork(order, 'last'));
      leaving.abort();
      expect(await rejectionOf(left)).toBe(leaving.signal.reason);
      await notedWork(order, 'first')();
      return { last };
    });
    await (await first).last;
    expect(order).toEqual(['first in', 'first out', 'last in', 'last out']);
  });

  test('is free again after work that failed', async () => {
    const lock = new DirectoryLock(home);
    const failure = new Error('no');
    expect(await rejectionOf(lock.hold(call().signal, () => Promise.reject(failure)))).toBe(failure);
    expect(await lock.hold(call().signal, () => Promise.resolve('done'))).toBe('done');
  });
});

test('a thousand exports at once do not hinder one another', async () => {
  const exporter = createFileExporter(directory);
  const ids = Array.from({ length: 1_000 }, (_, index) => `c${index}`);
  // Some ms each: far from the time that a call has.
  await Promise.all(ids.map((id) => exporter.exportContext(recordOf({ id }), call())));
  expect((await readdir(directory)).filter((name) => name.endsWith('.json'))).toHaveLength(1_000);
});
