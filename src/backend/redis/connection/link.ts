/** One connection to one server. */
import { Command, type Redis } from 'ioredis';
import { longestPauseMs, retryDelayMs } from './backoff.ts';
import { type Info, parseInfo, problemOf } from './info.ts';
import { mistakeOf, reasonOf } from './mistakes.ts';
import { codeOf, isReply, replyText } from './outcomes.ts';

/** What is known of a connection. */
export type LinkState =
  /** The server was seen to be one that we can use. */
  | { readonly kind: 'up' }
  /** `reason` is undefined before the first attempt ended; `isLeft`: we ended it ourselves, and connect anew. */
  | { readonly kind: 'down'; readonly reason?: string | undefined; readonly isLeft?: boolean }
  /** Somebody has to change something: the URL, the server, or a right. */
  | { readonly kind: 'mistake'; readonly problem: string };

/** What became of a connection for commands: `left`: we ended it ourselves, and connect anew. */
export type ConnectionEvent = 'made' | 'lost' | 'left';

/** What a link is to, and whom it tells. */
export interface LinkOptions {
  /** As operators know it. */
  readonly server: string;
  readonly isCluster: boolean;
  readonly isTls: boolean;
  /** How long a call may take. */
  readonly timeoutMs: number;
  readonly onChange: (link: Link) => void;
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined;
}

/** A command that knows whether it was written to a connection: one that was not has certainly done nothing. */
export class SentCommand extends Command {
  isWritten = false;

  override toWritable(socket: object): string | Buffer {
    this.isWritten = true;
    return super.toWritable(socket);
  }
}

/** What a turn sends goes in pieces of about so many characters. */
const maxTextLength = 1_048_576;

/**
 * A connection that is up only after its server was looked at: ioredis calls one ready although SELECT failed, and
 * would use another database. Its own look (enableReadyCheck) knows no replicas but those of Sentinels.
 */
export class Link {
  readonly redis: Redis;
  #state: LinkState = { kind: 'down' };
  readonly #options: LinkOptions;
  /** Since the connection was made; another one means that a look at its server came too late. */
  #attempt = 0;
  /** At a server that cannot be used yet, since one last could. */
  #looks = 0;
  #hasMistake = false;
  /** What the server answered to the login or the choice of a database, if that was an error. */
  #unfit: string | undefined;
  #isLeaving = false;
  /** What a leave waits for. */
  #last: SentCommand | undefined;
  /** What this turn has sent, not yet written. */
  #texts: string[] = [];
  #length = 0;

  constructor(redis: Redis, options: LinkOptions) {
    this.redis = redis;
    this.#options = options;
    redis.on('connect', () => {
      this.#attempt++;
      this.#hasMistake = false;
      this.#unfit = undefined;
    });
    redis.on('error', (error) => this.#fail(error));
    redis.on('ready', () => {
      if (!this.#hasMistake) void this.#look();
    });
    redis.on('close', () => this.#close());
    redis.on('end', () => this.#close());
  }

  get state(): LinkState {
    return this.#state;
  }

  get canSend(): boolean {
    if (this.#state.kind !== 'up' || this.#isLeaving || this.redis.status !== 'ready') return false;
    // A replica of a Cluster: read from by others, it would run our reading scripts, on old data.
    return this.redis.options.readOnly !== true;
  }

  /** As operators know it. */
  get server(): string {
    return this.#options.server;
  }

  /**
   * Writes a command. What one turn of the event loop sends goes as one text: at 64 in flight this was measured at twice
   * the throughput of ioredis' pipelines for half the CPU.
   */
  send(command: SentCommand): void {
    this.#last = command;
    // It writes to whatever says that it is a pipeline as to one of its own.
    this.redis.sendCommand(command, this.#turn as unknown as Parameters<Redis['sendCommand']>[1]);
  }

  /**
   * Connects anew, once what is on its way is answered: an end under way would leave open what became of it. Until then
   * nothing more is sent.
   *
   * @param boundMs is waited at most.
   */
  leave(boundMs: number): void {
    if (this.#isLeaving || this.redis.status !== 'ready') return;
    this.#isLeaving = true;
    const attempt = this.#attempt;
    const end = (): void => {
      clearTimeout(timer);
      if (attempt === this.#attempt) this.redis.disconnect(true);
    };
    const timer = setTimeout(end, boundMs).unref();
    // A server answers in the order in which it was asked.
    if (this.#last === undefined) end();
    else this.#last.promise.then(end, end);
  }

  /** Takes what is sent in this turn, as ioredis wants a pipeline to be. */
  readonly #turn = {
    isPipeline: true,
    destination: { redis: { stream: undefined } },
    write: (chunk: string | Buffer): void => {
      if (this.#texts.length === 0) process.nextTick(() => this.#flush());
      if (typeof chunk === 'string') {
        this.#texts.push(chunk);
        this.#length += chunk.length;
        // All that waited for a connection is sent in one turn: no text can be as long as that may be.
        if (this.#length > maxTextLength) this.#flush();
      } else {
        this.#flush();
        this.redis.stream.write(chunk);
      }
    },
  };

  #flush(): void {
    const texts = this.#texts;
    this.#texts = [];
    this.#length = 0;
    if (texts.length > 0) this.redis.stream.write(texts.join(''));
  }

  /** Something went wrong with the connection. */
  #fail(error: Error): void {
    const problem = mistakeOf(error);
    if (isReply(error)) this.#unfit = reasonOf(error);
    if (problem === undefined) this.#fall(reasonOf(error) + this.#hint(error));
    else this.#refuse(problem);
  }

  /** A server that expects the other of TLS and none does not say so: it waits for more, or closes the connection. */
  #hint(error?: Error): string {
    if (this.#state.kind === 'up') return '';
    if (this.#options.isTls) return error?.message === 'connect ETIMEDOUT' ? ' (or it does not speak TLS)' : '';
    return error === undefined || error.message.endsWith('ECONNRESET') ? ' (or it wants TLS, rediss://)' : '';
  }

  #refuse(problem: string): void {
    this.#hasMistake = true;
    this.#change({ kind: 'mistake', problem });
  }

  #fall(reason: string): void {
    const isLeft = this.#isLeaving;
    this.#isLeaving = false;
    this.#change({ kind: 'down', reason, isLeft });
  }

  #close(): void {
    this.#attempt++;
    const isKnown = this.#state.kind === 'mistake' || (this.#state.kind === 'down' && this.#state.reason !== undefined);
    if (isKnown) this.#isLeaving = false;
    else this.#fall(`the connection was closed${this.#hint()}`);
  }

  /** Sees whether this is a server that we can use, and now. */
  async #look(): Promise<void> {
    const attempt = this.#attempt;
    const command = new SentCommand('info', [], { replyEncoding: 'utf8' });
    let info: Info;
    try {
      this.send(command);
      info = parseInfo(String(await command.promise));
    } catch (error) {
      if (attempt === this.#attempt && error instanceof Error && isReply(error)) this.#lookLater(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    const problem = problemOf(info, this.#options.isCluster);
    if (problem !== undefined) this.#refuse(problem);
    // ioredis goes on all the same, in the wrong database.
    else if (this.#unfit !== undefined) {
      if (!this.#hasMistake) this.#stayDown(this.#unfit, () => this.redis.disconnect(true));
    } else if (info.get('loading') === '1') this.#stayDown('it is loading its data', () => void this.#look());
    // A new connection may lead to the master. Replicas of a Cluster send everybody to theirs, and may be promoted.
    else if (info.get('role') !== 'master' && !this.#options.isCluster) {
      this.#stayDown('it is a replica', () => this.redis.disconnect(true));
    } else {
      this.#looks = 0;
      this.#change({ kind: 'up' });
    }
  }

  /** INFO was refused: for now, or because of a right that may be given any time. */
  #lookLater(refusal: Error): void {
    const next = (): void => void this.#look();
    if (codeOf(refusal) !== 'NOPERM') return this.#stayDown(replyText(refusal), next);
    this.#refuse(`does not let this user call INFO (${replyText(refusal)})`);
    this.#later(next);
  }

  /** @param next is done after a pause, if this is still the connection. */
  #stayDown(reason: string, next: () => void): void {
    if (this.#state.kind !== 'down' || this.#state.reason !== reason) this.#fall(reason);
    this.#later(next);
  }

  #later(next: () => void): void {
    const attempt = this.#attempt;
    const pauseMs = retryDelayMs(++this.#looks, longestPauseMs(this.#options.timeoutMs));
    setTimeout(() => {
      if (attempt === this.#attempt) next();
    }, pauseMs).unref();
  }

  #change(state: LinkState): void {
    const { onConnection } = this.#options;
    const wasUp = this.#state.kind === 'up';
    if (state.kind === 'up' && !wasUp) onConnection?.('made');
    if (state.kind !== 'up' && wasUp) onConnection?.(state.kind === 'down' && state.isLeft === true ? 'left' : 'lost');
    this.#state = state;
    this.#options.onChange(this);
  }
}
