import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { soon } from './wait.ts';

/** How to start a script that serves Chord and obeys its parent. */
export interface ForkedServerOptions extends Pick<ForkOptions, 'serialization'> {
  /** What it finds as JSON in its first argument. */
  readonly options: object;
  /** Of Node, beside what it needs for TypeScript. */
  readonly flags?: readonly string[];
  /** Told what it says, from the beginning on, except that it has started. */
  readonly onMessage?: (message: unknown) => void;
  /** Told how it ended, with what it printed last as an error. */
  readonly onExit?: (how: { readonly signal: string | null; readonly text: string }) => void;
}

/** What such a script says when it serves. */
export interface Started {
  readonly kind: 'started';
  /** Without a path. */
  readonly url: string;
}

/** A server in a process of its own, for tests that speak with the process, too; chord-process.ts has the program. */
export class ForkedServer {
  readonly process: ChildProcess;
  /** Without a path. */
  readonly url: string;

  private constructor(process: ChildProcess, url: string) {
    this.process = process;
    this.url = url;
  }

  static async start(script: URL, given: ForkedServerOptions): Promise<ForkedServer> {
    const { options, flags = [], serialization, onMessage, onExit } = given;
    const child = fork(fileURLToPath(script), [JSON.stringify(options)], {
      execArgv: [...flags, '--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      ...(serialization === undefined ? {} : { serialization }),
    });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-2_000);
    });
    const started = new Promise<string>((resolve, reject) => {
      child.on('message', (message) => {
        // The child is ours.
        const { kind, url } = message as Partial<Started>;
        if (kind === 'started' && url !== undefined) resolve(url);
        else onMessage?.(message);
      });
      child.once('exit', (code, signal) => {
        const text = `ended with ${code ?? signal}: ${stderr}`;
        onExit?.({ signal, text });
        reject(new Error(`A server ${text}`));
      });
    });
    try {
      return new ForkedServer(child, await soon('a server to start', started, 30_000));
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** At once, as when the machine dies. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await soon('the end of a server', exit);
  }
}
