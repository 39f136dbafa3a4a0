/* Makes the disk of a running process slow or broken, by strace, and whole again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { needProgram } from '../support/programs.ts';
import { until } from '../support/wait.ts';

/** Every call that asks the disk to keep what was written. */
export const flushes = 'fdatasync,fsync,msync';
/** The same, as they are logged. */
export const flush = /(fdata|f|m)sync\(/;
/** Every call that writes pages. The last one of a commit writes the 128 bytes that make it count. */
export const pageWrites = 'pwrite64,writev,pwritev';

/** What happens to system calls: of which names, and what, in the words of `strace -e inject`. */
export interface Fault {
  readonly calls: string;
  readonly effect: string;
}

/** The call does not return until the fault is ended. */
export const hangs = 'delay_enter=3600s';

/** Faults in a process, until they are ended. */
export class Strace {
  readonly #process: ChildProcess;
  readonly #log: string;

  private constructor(process: ChildProcess, log: string) {
    this.#process = process;
    this.#log = log;
  }

  /** Resolves when the faults are in place. `directory` is where the log goes. */
  static async attach(pid: number, faults: readonly Fault[], directory: string): Promise<Strace> {
    const log = join(directory, `strace-${process.hrtime.bigint()}`);
    const injections = faults.flatMap(({ calls, effect }) => ['-e', `inject=${calls}:${effect}`]);
    const trace = ['-e', `trace=${flushes},${pageWrites},ftruncate`];
    const child = spawn('strace', ['-f', '-o', log, ...trace, ...injections, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    let hasEnded = false;
    child.once('close', () => {
      hasEnded = true;
    });
    child.once('error', (error) => {
      said += error.message;
      hasEnded = true;
    });
    await until('strace', () => hasEnded || /attached/.test(said));
    if (hasEnded) throw new Error(said.trim());
    return new Strace(child, log);
  }

  /** The calls so far; of one that hangs the beginning. */
  get calls(): readonly string[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }

  /** The call that hangs: the nth of its name since the fault is in place. Undefined: it does not, or not yet. */
  hanging(name: RegExp, nth: number): string | undefined {
    const calls = this.calls.filter((line) => name.test(line));
    const last = calls.at(-1);
    return calls.length === nth && last !== undefined && !last.includes(') ') ? last : undefined;
  }

  /** The calls that were made to fail. */
  get failed(): readonly string[] {
    return this.calls.filter((line) => line.includes('(INJECTED)'));
  }

  /** Lets the process go on as if nothing had been. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    // It may wait for ever for a process that was killed meanwhile.
    const stubborn = setTimeout(() => this.#process.kill('SIGKILL'), 2_000);
    await exit;
    clearTimeout(stubborn);
  }
}

/** Whether a call writes what makes a commit count. */
export function isLastStep(call: string): boolean {
  return /pwrite64\(.*, 128, \d+/.test(call);
}

/** What a title says of tests that cannot be run. */
export function notRun(problem: string | undefined): string {
  return problem === undefined ? '' : ` (not run: ${problem})`;
}

/** Why faults cannot be made here; undefined: they can. */
export async function straceProblem(directory: string): Promise<string | undefined> {
  try {
    await needProgram(['strace'], 'strace');
    const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    try {
      await once(idle, 'spawn');
      if (idle.pid === undefined) return 'no process could be started';
      const strace = await Strace.attach(idle.pid, [{ calls: 'fdatasync', effect: 'error=EIO' }], directory);
      await strace.end();
      return undefined;
    } finally {
      idle.kill('SIGKILL');
    }
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
  }
}
