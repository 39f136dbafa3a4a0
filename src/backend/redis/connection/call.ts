import type { BackendUnavailableError } from '../../../errors.ts';
import type { Script } from '../scripts.ts';
import { SentCommand } from './link.ts';

/** Texts are sent as UTF-8. */
export type Argument = string | number | Buffer;

/** What a call asks for. */
export interface Order {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Whether a lost reply leaves open what is stored. */
  readonly isWrite: boolean;
  /** Known to the server by its hash, or sent. */
  readonly script?: Script | undefined;
  /** Only there, for who asks a certain master. */
  readonly address?: string | undefined;
}

/** What becomes of it. */
export interface Settlers {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: BackendUnavailableError) => void;
}

const utf8 = { replyEncoding: 'utf8' } as const;

/** A command on its way to a reply. */
export class Call {
  readonly order: Order;
  readonly settlers: Settlers;
  readonly deadlineMs: number;
  /** Made, and not yet written. */
  command: SentCommand | undefined = undefined;
  /** Of the key, in a Cluster. */
  slot: number | null = null;
  /** The server did not know the hash of the script. */
  isSpelledOut = false;
  isSettled = false;
  /** It was written, and nothing proves that it was not executed. */
  isPending = false;
  /** It was sent where a server said, once. */
  isFollowed = false;
  /** What the server said when it did not execute it. */
  refusal: string | undefined = undefined;

  constructor(order: Order, settlers: Settlers, deadlineMs: number) {
    this.order = order;
    this.settlers = settlers;
    this.deadlineMs = deadlineMs;
  }

  get address(): string | undefined {
    return this.order.address;
  }

  /** From now on the script's text is sent. False: it already was, or there is none. */
  spellOut(): boolean {
    if (this.order.script === undefined || this.isSpelledOut) return false;
    this.isSpelledOut = true;
    return true;
  }

  toCommand(): SentCommand {
    const { name, args, script } = this.order;
    if (script === undefined) return new SentCommand(name, [...args], utf8);
    const [spelling, text] = this.isSpelledOut ? ['EVAL', script.text] : ['EVALSHA', script.sha];
    return new SentCommand(spelling, [text, ...args], utf8);
  }
}
