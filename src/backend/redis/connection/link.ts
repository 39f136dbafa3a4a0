/** One connection to one server. */
import { Command, type Redis } from 'ioredis';
import { mistakeOf, reasonOf } from './mistakes.ts';
import { isReply, replyText } from './outcomes.ts';

/** What is known of a connection. */
export type LinkState =
  /** The server was seen to be one that we can use. */
  | { readonly kind: 'up' }
  /** `reason` is undefined before the first attempt ended. */
  | { readonly kind: 'down'; readonly reason?: string | undefined }
  /** Somebody has to change something: the URL, the server, or a right. */
  | { readonly kind: 'refused'; readonly problem: string };

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
 * would use another database.
 */
export class Link {
  readonly redis: Redis;
  #state: LinkState = { kind: 'down' };
  readonly #isCluster: boolean;
  readonly #isTls: boolean;
  readonly #onChange: (link: Link) => void;
  /** Since the connection was made; another one means that a look at its server came too late. */
  #attempt = 0;
  #isRefused = false;

  constructor(
    redis: Redis,
    {
      isCluster,
      isTls,
      onChange,
    }: Record<'isCluster' | 'isTls', boolean> & { readonly onChange: (link: Link) => void },
  ) {
    this.redis = redis;
    this.#isCluster = isCluster;
    this.#isTls = isTls;
    this.#onChange = onChange;
    redis.on('connect', () => {
      this.#attempt++;
      this.#isRefused = false;
    });
    redis.on('error', (error) => this.#fail(error));
    redis.on('ready', () => {
      if (!this.#isRefused) void this.#look();
    });
    redis.on('close', () => this.#close());
    redis.on('end', () => this.#close());
  }

  get state(): LinkState {
    return this.#state;
  }

  get canSend(): boolean {
    // A replica that is read from by others would run our reading scripts, on old data.
    return this.#state.kind === 'up' && this.redis.status === 'ready' && this.redis.options.readOnly !== true;
  }

  /**
   * Writes a command. What one turn of the event loop sends goes as one text: at 64 in flight this was measured at twice
   * the throughput of ioredis' pipelines for half the CPU.
   */
  send(command: SentCommand): void {
    // It writes to whatever says that it is a pipeline as to one of its own.
    this.redis.sendCommand(command, this.#turn as unknown as Parameters<Redis['sendCommand']>[1]);
  }

  #texts: string[] = [];
  #length = 0;

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
    if (problem === undefined) this.#change({ kind: 'down', reason: reasonOf(error) + this.#hint(error) });
    else this.#refuse(problem);
  }

  /** A server that expects the other of TLS and none does not say so: it waits for more, or closes the connection. */
  #hint(error?: Error): string {
    if (this.#state.kind === 'up') return '';
    if (this.#isTls) return error?.message === 'connect ETIMEDOUT' ? ' (or it does not speak TLS)' : '';
    return error === undefined || error.message.endsWith('ECONNRESET') ? ' (or it wants TLS, rediss://)' : '';
  }

  #refuse(problem: string): void {
    this.#isRefused = true;
    this.#change({ kind: 'refused', problem });
  }

  #close(): void {
    this.#attempt++;
    if (this.#state.kind === 'refused') return;
    if (this.#state.kind === 'down' && this.#state.reason !== undefined) return;
    this.#change({ kind: 'down', reason: `the connection was closed${this.#hint()}` });
  }

  /** Sees whether this is a server that we can use. */
  async #look(): Promise<void> {
    const attempt = this.#attempt;
    const command = new SentCommand('info', ['server'], { replyEncoding: 'utf8' });
    let problem: string | undefined;
    try {
      this.send(command);
      problem = problemOfServer(parseInfo(String(await command.promise)), this.#isCluster);
    } catch (error) {
      if (attempt !== this.#attempt || !(error instanceof Error)) return;
      if (!isReply(error)) return;
      problem = `does not let this user call INFO (${replyText(error)})`;
    }
    if (attempt !== this.#attempt) return;
    if (problem === undefined) this.#change({ kind: 'up' });
    else this.#refuse(problem);
  }

  #change(state: LinkState): void {
    this.#state = state;
    this.#onChange(this);
  }
}

/** The lines of INFO. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1)] as const;
    }),
  );
}

/** Why a server cannot be used; undefined when it can. */
function problemOfServer(info: ReadonlyMap<string, string>, isCluster: boolean): string | undefined {
  const mode = info.get('redis_mode') ?? 'standalone';
  if (mode === 'sentinel') return 'is a Sentinel: write redis+sentinel://host:port/name';
  if (mode === 'cluster' && !isCluster) return 'is a node of a Cluster: write redis+cluster:// instead of redis://';
  const version = info.get('redis_version') ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = version !== '' && (major < 6 || (major === 6 && minor < 2));
  return isOld ? `is version ${version}; Chord needs Redis 6.2 or newer` : undefined;
}
