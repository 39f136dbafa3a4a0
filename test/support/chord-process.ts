import { join } from 'node:path';
import { Command, checkout } from './command.ts';

/** What is started, and how. */
export interface ChordProcessOptions {
  /** Prints its URL when it serves. Default: the program itself, as it is checked out. */
  readonly script?: string;
  readonly env?: Record<string, string>;
}

/** The program as users start it. `stopCommands` ends what a test left running. */
export class ChordProcess {
  /** Without a path. */
  readonly url: string;
  readonly #command: Command;

  private constructor(command: Command, endpoint: string) {
    this.#command = command;
    this.url = new URL(endpoint).origin;
  }

  static async start(
    flags: readonly string[],
    { script = join(checkout, 'src/main.ts'), env = {} }: ChordProcessOptions = {},
  ): Promise<ChordProcess> {
    const command = startScript(script, flags, env);
    return new ChordProcess(command, await command.endpoint());
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get pid(): number | undefined {
    return this.#command.pid;
  }

  /** What it has printed. */
  get output(): string {
    return `${this.#command.stdout}${this.#command.stderr}`;
  }

  /** What it has logged, as JSON. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#command.stdout.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  }

  /** It keeps its connections and does nothing, as on a machine that hangs, until `resume`. */
  pause(): void {
    this.#command.kill('SIGSTOP');
  }

  resume(): void {
    this.#command.kill('SIGCONT');
  }

  /** Ends it, and answers how it ended: `SIGKILL` as when its machine fails, `SIGTERM` as an administrator does. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string | null> {
    this.#command.kill(signal);
    return this.#command.exit;
  }
}

/** Starts several: two at a time, so that none has to wait for its start longer than one may on a small machine. */
export async function startChords(
  count: number,
  flags: readonly string[],
  options: ChordProcessOptions = {},
): Promise<ChordProcess[]> {
  const chords: ChordProcess[] = [];
  while (chords.length < count) {
    const pair = Array.from({ length: Math.min(2, count - chords.length) }, () => ChordProcess.start(flags, options));
    chords.push(...(await Promise.all(pair)));
  }
  return chords;
}

/** Runs a script of the checkout; `stopCommands` ends it. */
export function startScript(script: string, args: readonly string[], env: Record<string, string> = {}): Command {
  const loader = script.endsWith('.ts') ? ['--import', 'tsx'] : [];
  return new Command(process.execPath, [...loader, script, ...args], { cwd: checkout, env });
}
