import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createChord } from '../../src/chord.ts';
import { compiled } from '../support/compiled.ts';
import { openLmdb, temporaryDirectory } from '../support/lmdb.ts';
import { until } from '../support/wait.ts';
import type { CrashOrder } from './crash-child.ts';
import { flush, flushes, hangs, notRun, Strace, straceProblem } from './strace.ts';

const checked = mkdtempSync(join(tmpdir(), 'chord-'));
const problem = await straceProblem(checked);
rmSync(checked, { recursive: true });

describe.skipIf(problem !== undefined)(`a process that is killed while it makes its store${notRun(problem)}`, () => {
  test('leaves a directory that opens, whatever was written last', { timeout: 180_000 }, async () => {
    const program = await compiled(new URL('crash-child.ts', import.meta.url));
    let kills = 0;
    for (let nth = 1; await isKilledAt(program, nth); nth++) kills++;
    // Each table is made by a commit of its own.
    expect(kills).toBeGreaterThan(5);
  });
});

/** Kills a new process at its nth flush, and opens what it leaves. False: there are no more than that. */
async function isKilledAt(program: string, nth: number): Promise<boolean> {
  const directory = temporaryDirectory();
  const path = join(directory, 'data');
  mkdirSync(path);
  const child = fork(program, [], { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child, 'spawn');
  const { pid, stdout } = child;
  if (pid === undefined || stdout === null) throw new TypeError('The child was not started.');
  const strace = await Strace.attach(pid, [{ calls: flushes, effect: `${hangs}:when=${nth}` }], directory);
  onTestFinished(() => strace.end());
  let isOpen = false;
  stdout.once('data', () => {
    isOpen = true;
  });
  const order: CrashOrder = { path, seed: nth, nowMs: Date.UTC(2030, 0, 1) };
  child.send(order);
  const isHanging = () => strace.hanging(flush, nth) !== undefined;
  await until('the call, or a store that is open', () => isHanging() || isOpen);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  // The dead are handed over by who traces them.
  await strace.end();
  await exit;
  if (isOpen) return false;
  const chord = createChord({ backend: openLmdb({ path }) });
  await chord.setContext('a', { n: nth });
  expect((await chord.getContext('a'))?.state).toEqual({ n: nth });
  await chord.close();
  return true;
}
