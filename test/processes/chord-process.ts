import { join } from 'node:path';
import { Command, checkout } from '../support/command.ts';

/** The program as users start it, on a Redis. */
export class ChordProcess {
  /** Without a path. */
  readonly url: string;
  readonly #command: Command;

  private constructor(command: Command, endpoint: string) {
    this.#command = command;
    this.url = new URL(endpoint).origin;
  }

  /** @param script by default the program itself; it prints its URL when it serves. */
  static async start(flags: readonly string[], script = join(checkout, 'src/main.ts')): Promise<ChordProcess> {
    const command = startScript(script, flags);
    return new ChordProcess(command, await command.endpoint());
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get pid(): number | undefined {
    return this.#command.pid;
  }

  /** What it has logged, as JSON. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#command.stdout.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  }

  /** Ends it, and answers how it ended: `SIGKILL` as when its machine fails, `SIGTERM` as an administrator does. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string | null> {
    this.#command.kill(signal);
    return this.#command.exit;
  }
}

/** Starts several: two at a time, so that none has to wait for its start longer than one may on a small machine. */
export async function startChords(count: number, flags: readonly string[], script?: string): Promise<ChordProcess[]> {
  const chords: ChordProcess[] = [];
  while (chords.length < count) {
    const pair = Array.from({ length: Math.min(2, count - chords.length) }, () => ChordProcess.start(flags, script));
    chords.push(...(await Promise.all(pair)));
  }
  return chords;
}

/** Runs a script of the checkout; `stopCommands` ends it. */
export function startScript(script: string, args: readonly string[]): Command {
  return new Command(process.execPath, ['--import', 'tsx', script, ...args], { cwd: checkout });
}
