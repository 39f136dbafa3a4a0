import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import { until } from '../support/wait.ts';
import { problemsOfRows } from './check-store.ts';
import { DiskProcess, type DiskWrite } from './disk-process.ts';
import { notRun } from './strace.ts';

const run = promisify(execFile);
const problem = await mountProblem();

describe.skipIf(problem !== undefined)(`a file system that is full${notRun(problem)}`, { timeout: 120_000 }, () => {
  test('writes are refused, reads go on, nothing acknowledged is lost, and free space heals it', async () => {
    const disk = await smallDisk(4 * 1024 * 1024);
    const filler = join(disk, 'filler');
    writeFileSync(filler, Buffer.alloc(1024 * 1024));
    const path = join(disk, 'data');
    mkdirSync(path);
    const store = await DiskProcess.start({ path });
    const stored = new Map<string, number>();
    await store.write({ verb: 'set', id: 'first', value: { n: 0 } });
    await store.ask({ kind: 'follow', contextId: 'first' });

    let refused = 0;
    for (let n = 0; n < 200 && refused < 20; n++) {
      const id = `c${n % 60}`;
      const [answer] = await store.write({ verb: 'set', id, value: { n, text: `${n} `.repeat(5_000) } });
      if (answer?.kind === 'done') {
        stored.set(id, n);
        continue;
      }
      refused++;
      expect(answer).toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        outcome: expect.stringMatching(/^(UNKNOWN|NOT_STORED)$/),
      });
      await expectStored(store, stored);
    }
    expect(refused).toBe(20);
    // Small ones too: what is left of the last pages is soon used up.
    for (let n = 0; n < 100; n++) {
      const writes = Array.from(
        { length: 10 },
        (_, at): DiskWrite => ({ verb: 'set', id: `s${n}-${at}`, value: { n } }),
      );
      for (const [at, answer] of (await store.write(...writes)).entries()) {
        if (answer.kind === 'done') stored.set(`s${n}-${at}`, n);
      }
    }
    await expectStored(store, stored);

    rmSync(filler);
    await until('the store', async () => (await store.ask({ kind: 'ping' })).kind === 'done');
    const healed = Array.from(
      { length: 5 },
      (_, n): DiskWrite => ({ verb: 'set', id: `c${n}`, value: { n: 1_000 + n } }),
    );
    for (const write of healed) {
      expect(await store.write(write)).toMatchObject([{ kind: 'done' }]);
      stored.set(write.id, Number(write.value?.['n']));
    }
    await expectStored(store, stored);
    expect(await store.write({ verb: 'update', id: 'first', value: { n: 1 } })).toMatchObject([
      { kind: 'done', version: 2 },
    ]);
    await until('the follower', async () => (await store.followed('first'))?.state['n'] === 1);
    expect(await store.ask({ kind: 'problems' })).toEqual([]);
    expect(store.isRunning).toBe(true);

    await store.kill();
    const reopened = LmdbBackend.open({ path });
    for (const [id, n] of stored) {
      const view = await reopened.read(id);
      expect(view.kind === 'context' ? view.state?.['n'] : undefined).toBe(n);
    }
    await reopened.close();
    expect(await problemsOfRows(join(path, 'data.mdb'))).toEqual([]);
  });
});

/** A file system of its own, which goes with the test. */
async function smallDisk(bytes: number): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), 'chord-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]);
  onTestFinished(async () => {
    await run('umount', ['-l', path]);
    rmSync(path, { recursive: true });
  });
  return path;
}

/** Why no file system can be made here; undefined: it can. */
async function mountProblem(): Promise<string | undefined> {
  const path = mkdtempSync(join(tmpdir(), 'chord-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=65536', 'tmpfs', path]);
    await run('umount', ['-l', path]);
    return undefined;
  } catch (error) {
    return `no file system may be mounted: ${error instanceof Error ? error.message.trim().replaceAll('\n', ' ') : String(error)}`;
  } finally {
    if (existsSync(path)) rmSync(path, { recursive: true });
  }
}

async function expectStored(store: DiskProcess, stored: ReadonlyMap<string, number>): Promise<void> {
  const { contexts } = await store.look([...stored.keys()]);
  const seen = [...stored.keys()].map((id) => [id, contexts[id]?.state['n']]);
  expect(seen).toEqual([...stored]);
}
