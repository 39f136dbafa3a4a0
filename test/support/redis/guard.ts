import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { soon } from '../wait.ts';

/* It reads the id of the process to end, each line instead of the one before, until nobody can write to it any more. */
const script = `
  trap '' HUP INT TERM
  while read -r line; do pid=$line; done
  [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
  rm -rf "$1"
`;

/**
 * A directory and a process that do not outlive us.
 *
 * A shell waits on a pipe whose other end only this process has. However this process ends, also by SIGKILL, the pipe
 * is closed; then the shell kills what it was told to and removes the directory. It is in a session of its own, so that
 * a signal to our process group does not reach it.
 */
export class Guard {
  readonly directory: string;
  readonly #shell: ChildProcess;

  private constructor(directory: string, shell: ChildProcess) {
    this.directory = directory;
    this.#shell = shell;
  }

  static async start(): Promise<Guard> {
    const directory = await mkdtemp(join(tmpdir(), 'chord-redis-'));
    const shell = spawn('/bin/sh', ['-c', script, 'sh', directory], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    await once(shell, 'spawn');
    // It is gone before us only when somebody ended it; what it was there for is then done by who stops the server.
    shell.stdin?.on('error', () => undefined);
    return new Guard(directory, shell);
  }

  /** This process, instead of the one before, is not to outlive us. Undefined: there is none. */
  holds(pid: number | undefined): void {
    this.#shell.stdin?.write(`${pid ?? ''}\n`);
  }

  /** Ends the process and removes the directory now. */
  async end(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null) return;
    const exit = once(this.#shell, 'exit');
    this.#shell.stdin?.end();
    await soon('the end of what was guarded', exit);
  }
}
