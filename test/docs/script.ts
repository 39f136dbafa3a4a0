import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { soon } from '../support/wait.ts';

const running = new Set<Script>();

/** A program in a process group of its own: what it has printed, and how it ended. */
export class Script {
  stdout = '';
  stderr = '';
  /** The exit code, or the signal that ended it. */
  readonly exit: Promise<number | string | null>;
  readonly #process: ChildProcess;

  constructor(file: string, args: readonly string[], cwd: string) {
    // What configures the server around the tests is no part of what a newcomer has.
    const env = Object.entries(process.env).filter(([name]) => !/^(CHORD|VITEST|NODE_ENV|npm)/.test(name));
    this.#process = spawn(file, args, {
      cwd,
      env: Object.fromEntries(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exit = once(this.#process, 'close').then(([code, signal]) => code ?? signal);
    running.add(this);
    // Whoever cares waits for it; a program that could not be started is seen there too.
    this.exit.catch(() => undefined).finally(() => running.delete(this));
  }

  get #isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Waits until the standard output matches. Fails when the program ends without having said it. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const match = new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.stdout);
        if (found !== null) resolve(found);
      };
      look();
      this.#process.stdout?.on('data', look);
      this.#process.once('close', () => reject(new Error(`${pattern} was not printed:\n${this.stdout}${this.stderr}`)));
    });
    return soon(`${pattern} on the standard output`, match);
  }

  /** Also what it started: the curl of a shell. */
  signal(signal: NodeJS.Signals): void {
    if (this.#isRunning && this.#process.pid !== undefined) process.kill(-this.#process.pid, signal);
  }
}

/** What a program that ends by itself has printed. Fails unless it ends well. */
export async function outputOf(file: string, args: readonly string[], cwd: string): Promise<string> {
  const script = new Script(file, args, cwd);
  const code = await soon(`the end of ${file}`, script.exit, 60_000);
  if (code !== 0) throw new Error(`${file} ended with ${code}:\n${script.stdout}${script.stderr}`);
  return script.stdout;
}

/** Ends what a test left running. */
export async function stopScripts(): Promise<void> {
  const left = [...running];
  for (const script of left) script.signal('SIGKILL');
  await Promise.all(left.map(({ exit }) => exit));
}
