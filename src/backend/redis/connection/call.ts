import type { BackendUnavailableError } from '../../../errors.ts';
import type { Script } from '../scripts.ts';
import { SentCommand } from './link.ts';

/** Texts are sent as UTF-8. */
export type Argument = string | number | Buffer;

/** What a call asks for. */
export interface Request {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Whether a lost reply leaves open what is stored. */
  readonly isWrite: boolean;
  /** Known to the server by its hash, or sent. */
  readonly script?: Script | undefined;
  /** Only there, for who asks a certain master. */
  readonly address?: string | undefined;
  /** That it is refused is for who asks, and no news for operators. */
  readonly isQuiet?: boolean | undefined;
}

/** Who is told what becomes of it. */
export interface Handlers {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: BackendUnavailableError) => void;
}

const utf8 = { replyEncoding: 'utf8' } as const;

/** A command on its way to a reply. */
export class Call {
  readonly request: Request;
  readonly handlers: Handlers;
  readonly deadlineMs: number;
  /** Made, and not yet written. */
  command: SentCommand | undefined = undefined;
  /** Of the key, in a Cluster. */
  slot: number | null = null;
  /** The server did not know the hash of the script: this time its text is sent. */
  isSpelledOut = false;
  isSettled = false;
  /** It was written, and nothing proves that it was not executed. */
  mayBeExecuted = false;
  /** It was sent where a server said, once. */
  wasRedirected = false;
  /** The server that it was last sent to, as operators know it. */
  server = '';
  /** What that server said when it did not execute it. */
  refusal: Error | undefined = undefined;
  /** How often it had to wait for another attempt, and until when it does. */
  waits = 0;
  waitsUntilMs = 0;

  constructor(request: Request, handlers: Handlers, deadlineMs: number) {
    this.request = request;
    this.handlers = handlers;
    this.deadlineMs = deadlineMs;
  }

  get address(): string | undefined {
    return this.request.address;
  }

  /** The script's text is sent next. False: it just was, or there is none. */
  spellOut(): boolean {
    if (this.request.script === undefined || this.isSpelledOut) return false;
    this.isSpelledOut = true;
    return true;
  }

  toCommand(): SentCommand {
    const { name, args, script } = this.request;
    if (script === undefined) return new SentCommand(name, [...args], utf8);
    const [spelling, text] = this.isSpelledOut ? ['EVAL', script.text] : ['EVALSHA', script.sha];
    return new SentCommand(spelling, [text, ...args], utf8);
  }
}
