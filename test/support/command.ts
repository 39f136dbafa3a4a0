import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { soon } from './wait.ts';

/** Where this file is checked out. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url));

const running = new Set<Command>();

/** A child process: what it has printed, and how it ended. */
export class Command {
  stdout = '';
  stderr = '';
  /** The exit code, or the signal that ended it. */
  readonly exit: Promise<number | string | null>;
  readonly #process: ChildProcess;

  constructor(
    file: string,
    args: readonly string[],
    { cwd, env = {} }: { readonly cwd: string; readonly env?: Record<string, string> },
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(CHORD|VITEST|NODE_ENV|npm)/.test(name));
    this.#process = spawn(file, args, {
      cwd,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exit = once(this.#process, 'close').then(([code, signal]) => code ?? signal);
    running.add(this);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Waits until the standard output matches. Fails when the process ends without having said it. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
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

  /** The URL of its GraphQL, once it serves. */
  async endpoint(): Promise<string> {
    const [url] = await this.printed(/http:\/\/127\.0\.0\.1:\d+\/graphql/);
    return url;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }
}

/** Ends what a test left running. */
export async function stopCommands(): Promise<void> {
  for (const command of running) command.kill('SIGKILL');
  await Promise.all([...running].map((command) => command.exit));
  running.clear();
}
