import { openToAll } from '../../src/access/credentials.ts';
import { type App, type AppOptions, createApp } from '../../src/app/app.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { type ChordOptions, createService } from '../../src/chord.ts';
import { systemClock } from '../../src/clock.ts';
import { completeOptions } from '../../src/config/complete.ts';
import type { Logger } from '../../src/observability/logger.ts';
import { DocumentCache } from '../../src/server/document-cache.ts';
import { Doorkeeper } from '../../src/server/doorkeeper.ts';
import { createExecute, createSubscribe } from '../../src/server/execution.ts';
import { sharedSubscribe } from '../../src/server/fanout/subscribe.ts';
import { trustedNetworks } from '../../src/server/http/forwarded.ts';
import { Origins } from '../../src/server/http/origin.ts';
import { Quotas } from '../../src/server/limits/quotas.ts';
import { Requests } from '../../src/server/reporting/requests.ts';
import { Roster, reportSource } from '../../src/server/reporting/roster.ts';
import { EventStreams } from '../../src/server/sse.ts';
import { createGraphQLServer } from '../../src/server/yoga.ts';
import type { ChordService } from '../../src/service/service.ts';

export interface GraphQLFailure {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** A result as it comes off the wire. */
export interface GraphQLResult {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly GraphQLFailure[];
}

/** What GraphQL over HTTP sends. */
export interface Operation {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Keeps what is logged. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = [];

  debug(message: string, fields: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'debug', message, fields });
  }

  info(message: string, fields: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'info', message, fields });
  }

  warn(message: string, fields: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'warn', message, fields });
  }

  error(message: string, fields: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'error', message, fields });
  }

  child(): Logger {
    return this;
  }

  /** Those that a person should look at. */
  get errors(): readonly LogLine[] {
    return this.lines.filter(({ level }) => level === 'error');
  }
}

/** A store that outlives the servers on it, as one does that is not in the process. */
export class LastingBackend extends MemoryBackend {
  override async close(): Promise<void> {}
}

/** The GraphQL layer without a port. */
export interface GraphQLHarness {
  readonly chord: ChordService;
  readonly logger: RecordingLogger;
  readonly run: (query: string, variables?: Readonly<Record<string, unknown>>) => Promise<GraphQLResult>;
  /** For a body that only text can say. */
  readonly post: (body: string, headers?: Readonly<Record<string, string>>) => Promise<GraphQLReply>;
}

export interface GraphQLReply {
  readonly status: number;
  readonly text: string;
  readonly result: GraphQLResult;
}

export function openGraphQL(
  options: ChordOptions = {},
  given: { readonly maxRequestBytes?: number } = {},
): GraphQLHarness {
  const chord = createService(options);
  const logger = new RecordingLogger();
  const roster = new Roster(systemClock);
  const about = { version: '0', backend: 'memory' };
  const limits = completeOptions({});
  const quotas = new Quotas(limits, systemClock);
  const yoga = createGraphQLServer({
    documents: new DocumentCache(),
    execute: createExecute({ limits, quotas }),
    subscribe: createSubscribe(
      { limits, quotas },
      sharedSubscribe((delta) => chord.formatDelta(delta)),
    ),
    doorkeeper: new Doorkeeper({
      chord,
      authenticator: openToAll,
      clock: systemClock,
      authGraceMs: 0,
      reports: reportSource({ about, chord, clock: systemClock, roster }),
      logger,
      graphiql: false,
    }),
    requests: new Requests({ logger }),
    streams: new EventStreams(roster, trustedNetworks([])),
    graphiql: false,
    maxRequestBytes: given.maxRequestBytes ?? 8_388_608,
    origins: new Origins([]),
    quotas,
    limits,
  });
  const send: GraphQLHarness['post'] = async (body, headers = {}) => {
    const response = await yoga.fetch('http://chord.test/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...headers },
      body,
    });
    const text = await response.text();
    return { status: response.status, text, result: JSON.parse(text) as GraphQLResult };
  };
  const run: GraphQLHarness['run'] = async (query, variables) =>
    (await send(JSON.stringify({ query, variables }))).result;
  return { chord, logger, run, post: send };
}

export interface RunningApp {
  readonly app: App;
  readonly logger: RecordingLogger;
  /** `http://…/graphql`. */
  readonly url: string;
  readonly webSocketUrl: string;
  readonly port: number;
}

const running = new Set<App>();

/** A server that listens, on a free port and in memory unless something else is named. */
export async function startApp(options: AppOptions = {}): Promise<RunningApp> {
  const logger = new RecordingLogger();
  const app = createApp({ port: 0, backend: 'memory', logger, drainTimeoutMs: 2_000, ...options });
  const { url: origin } = await app.start();
  running.add(app);
  const url = new URL('/graphql', origin);
  return {
    app,
    logger,
    url: url.href,
    webSocketUrl: url.href.replace('http', 'ws'),
    port: Number(url.port),
  };
}

/** Stops what a test left running. */
export async function stopApps(): Promise<void> {
  await Promise.all([...running].map((app) => app.stop()));
  running.clear();
}

/** For a test that stops its app itself. */
export async function stopApp(app: App): Promise<void> {
  running.delete(app);
  await app.stop();
}

/** One operation as a plain JSON POST. */
export async function post(url: string, operation: Operation): Promise<GraphQLResult> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify(operation),
  });
  return (await response.json()) as GraphQLResult;
}

/** Whether nothing of the subscribers is left. */
export function isDeserted(app: App): boolean {
  const { followers, watchedContexts, webSockets } = app.stats();
  return followers === 0 && watchedContexts === 0 && webSockets === 0;
}
