/** Two servers that differ in nothing but the lane, and what raw requests are answered by both. */
import { AssertionError, deepStrictEqual } from 'node:assert';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createAuthenticator } from '../../../src/access/authenticator.ts';
import type { OwnAuthenticate } from '../../../src/access/own.ts';
import { createService } from '../../../src/chord.ts';
import { completeOptions } from '../../../src/config/complete.ts';
import type { OptionValues } from '../../../src/config/table.ts';
import type { DeltaFormatter } from '../../../src/delta/format.ts';
import type { Metrics } from '../../../src/observability/metrics.ts';
import type { TrustedDocuments } from '../../../src/server/limits/trusted-documents.ts';
import { ChordServer } from '../../../src/server/server.ts';
import type { ChordService } from '../../../src/service/service.ts';
import { RecordingLogger } from '../../support/app.ts';
import { ManualClock } from '../../support/clock.ts';
import { soon, until } from '../../support/wait.ts';

export interface LaneStageOptions extends Partial<OptionValues> {
  readonly authenticate?: OwnAuthenticate;
  readonly trustedDocuments?: TrustedDocuments;
  readonly deltaFormatter?: DeltaFormatter;
}

/** One of the two servers. */
export class Stage implements AsyncDisposable {
  readonly server: ChordServer;
  readonly chord: ChordService;
  readonly clock = new ManualClock();
  readonly logger = new RecordingLogger();
  /** What was counted, in order. */
  readonly counts: unknown[] = [];
  #url: URL | undefined;

  constructor(options: LaneStageOptions, hasLane: boolean) {
    const { authenticate, trustedDocuments, deltaFormatter, ...values } = options;
    const { clock, logger } = this;
    const config = completeOptions({ port: 0, drainTimeoutMs: 2_000, ...values });
    const metrics: Metrics = {
      count: (name, labels, by = 1) => this.counts.push([name, labels, by]),
      observe: () => undefined,
    };
    this.chord = createService({ clock, deltaFormatter });
    this.server = new ChordServer({
      ...config,
      about: { version: '0', backend: 'memory' },
      chord: this.chord,
      clock,
      logger,
      metrics,
      trustedDocuments,
      authenticator: createAuthenticator(config, { clock, logger, authenticate }),
      hasLane,
      compileAfter: 1,
    });
  }

  async listen(): Promise<this> {
    this.#url = new URL(await this.server.listen());
    return this;
  }

  get url(): string {
    return `${this.#url?.origin}/graphql`;
  }

  /** What comes back for the bytes, up to the end of the connection, without what is another each time. */
  async heard(bytes: Uint8Array): Promise<string> {
    const socket = connect(Number(this.#url?.port), '127.0.0.1');
    socket.write(bytes);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await soon('the end of the connection', once(socket, 'close'), 5_000).finally(() => socket.destroy());
    return Buffer.concat(chunks)
      .toString('latin1')
      .replaceAll(/^date: .*$/gim, 'Date: then')
      .replaceAll(/"epoch":"[^"]*"/g, '"epoch":"one"');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.chord.close();
  }
}

/** Both servers. */
export class Pair implements AsyncDisposable {
  readonly lane: Stage;
  readonly yoga: Stage;

  private constructor(lane: Stage, yoga: Stage) {
    this.lane = lane;
    this.yoga = yoga;
  }

  static async open(options: LaneStageOptions = {}): Promise<Pair> {
    const [lane, yoga] = await Promise.all([new Stage(options, true).listen(), new Stage(options, false).listen()]);
    return new Pair(lane, yoga);
  }

  /** The same at both. */
  async both(act: (stage: Stage) => Promise<unknown>): Promise<void> {
    await act(this.lane);
    await act(this.yoga);
  }

  /**
   * Sends it to both, three times: what is new goes through yoga, and what comes again is compiled. Fails unless the answers are the same, and what was counted.
   *
   * @returns the last answer, and whether it took the lane.
   */
  async ask(bytes: Uint8Array): Promise<{ readonly answer: string; readonly isPlain: boolean }> {
    await this.#compare(bytes);
    await this.#compare(bytes);
    const before = this.lane.server.laneAnswers;
    const answer = await this.#compare(bytes);
    return { answer, isPlain: this.lane.server.laneAnswers > before };
  }

  async #compare(bytes: Uint8Array): Promise<string> {
    const [ours, yogas] = [await this.lane.heard(bytes), await this.yoga.heard(bytes)];
    if (ours !== yogas)
      throw new AssertionError({ message: 'The lane answers something else.', actual: ours, expected: yogas });
    // A request is counted when its connection is through with it, which its client may see earlier.
    await until(
      'both count it',
      () => this.lane.counts.length === this.yoga.counts.length && this.lane.counts.length > 0,
    );
    // Those of one breath end in any order.
    deepStrictEqual(sorted(this.lane.counts.splice(0)), sorted(this.yoga.counts.splice(0)));
    return ours;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.both((stage) => stage[Symbol.asyncDispose]());
  }
}

/** In an order of its own. */
export function sorted(values: readonly unknown[]): readonly string[] {
  return values.map((value) => JSON.stringify(value)).toSorted();
}

export interface RequestParts {
  readonly method?: string;
  readonly target?: string;
  /** A header of null is left out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string | Uint8Array;
}

/** The bytes of a request, a plain one unless something else is said. It ends its connection. */
export function rawRequest({ method = 'POST', target = '/graphql', headers = {}, body = '' }: RequestParts): Buffer {
  const content = Buffer.from(body);
  const all: Readonly<Record<string, string | null>> = {
    host: 'localhost',
    'x-request-id': 'asked',
    'content-type': 'application/json',
    'content-length': String(content.byteLength),
    connection: 'close',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\r\n`]));
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), content]);
}
