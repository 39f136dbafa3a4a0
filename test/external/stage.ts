/** A server as people run it, on a store of its own, spoken to over real sockets, with everything that it ever said. */
import { onTestFinished } from 'vitest';
import type { AppOptions } from '../../src/app/app.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { type GraphQLResult, type RunningApp, startApp } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { followOperation, type Subscription, type Transport, webSocketTransport } from '../support/transports.ts';
import type { Storage } from './storages.ts';

const documents = {
  setContext: `mutation ($id: ID!, $state: JSONObject!, $ttlMs: SafeInt) {
    setContext(id: $id, state: $state, ttlMs: $ttlMs) { ... on SetContextPayload { contextId epoch version } }
  }`,
  updateContext: `mutation ($id: ID!, $changes: JSONObject!) {
    updateContext(id: $id, changes: $changes) { ... on UpdateContextPayload { contextId epoch version } }
  }`,
  deleteContext: `mutation ($id: ID!) {
    deleteContext(id: $id) { ... on DeleteContextPayload { contextId epoch version } }
  }`,
  exportContext: `mutation ($id: ID!) {
    exportContext(id: $id) {
      ... on ExportContextPayload { __typename contextId epoch version exporter } ... on Error { __typename message }
    }
  }`,
  restoreContext: `mutation ($id: ID!) {
    restoreContext(id: $id) {
      ... on RestoreContextPayload { __typename contextId epoch version changed context { version state } }
      ... on Error { __typename message }
    }
  }`,
  runCleanup: `mutation {
    runCleanup { report { contextsExpired tombstonesPurged exportsFailed remaining } }
  }`,
  context: 'query ($id: ID!) { context(id: $id) { epoch version state insertedAt } }',
  cleanup: '{ cleanup { failingExports failedRuns lastReport { exportsFailed contextsExpired } } }',
};

type Field = keyof typeof documents;

/** Where a write or a restore put a context, or the error that it answered. */
export interface Answer {
  readonly __typename?: string;
  readonly message?: string;
  readonly epoch: string;
  readonly version: number;
  readonly changed?: boolean;
  readonly context?: { readonly version: number; readonly state: JsonObject };
}

/** A context as it is read. */
export interface Found {
  readonly epoch: string;
  readonly version: number;
  readonly state: JsonObject;
  readonly insertedAt: string;
}

/** Time to live of the contexts that expire here, in ms. */
export const ttlMs = 60_000;

/** A server with a storage behind it. No scheduler, unless the options start one. */
export class Stage {
  readonly clock: ManualClock;
  readonly storage: Pick<Storage, 'secrets' | 'options'>;
  readonly server: RunningApp;
  /** Each line of the log, at the level `debug`. */
  readonly log: readonly string[];
  /** Each answer over HTTP. */
  readonly replies: string[] = [];
  readonly #subscriptions: Subscription[] = [];

  private constructor(fields: Pick<Stage, 'clock' | 'storage' | 'server' | 'log'>) {
    this.clock = fields.clock;
    this.storage = fields.storage;
    this.server = fields.server;
    this.log = fields.log;
  }

  static async open(storage: Pick<Storage, 'secrets' | 'options'>, options: AppOptions = {}): Promise<Stage> {
    const clock = new ManualClock();
    const log: string[] = [];
    const logger = createLogger({ level: 'debug', format: 'json', stream: { write: (line) => log.push(line) } });
    const own = { clock, logger, backend: 'lmdb', dataDir: temporaryDirectory(), cleanupIntervalMs: 0 } as const;
    const server = await startApp({ ...own, ...storage.options, ...options });
    return new Stage({ clock, storage, server, log });
  }

  /** What the server answers over HTTP, with `errors` where there is no other answer. */
  async ask(field: Field, variables: object = {}): Promise<GraphQLResult> {
    return this.#post(field, JSON.stringify(variables));
  }

  /** The answer of a write. Fails on errors. */
  async write(field: Exclude<Field, 'context' | 'cleanup'>, variables: object): Promise<Answer> {
    // As the document selects it.
    return answerOf(await this.ask(field, variables), field) as Answer;
  }

  /** The state is given as text, since JavaScript would change some of them. */
  async set(id: string, state: string): Promise<Answer> {
    const variables = `{"id":${JSON.stringify(id)},"ttlMs":${ttlMs},"state":${state}}`;
    // As above.
    return answerOf(await this.#post('setContext', variables), 'setContext') as Answer;
  }

  /** Null: it is not there. */
  async get(id: string): Promise<Found | null> {
    // As above.
    return answerOf(await this.ask('context', { id }), 'context') as Found | null;
  }

  /** What one pass of cleanup did. */
  async runCleanup(): Promise<unknown> {
    // As above.
    return (answerOf(await this.ask('runCleanup'), 'runCleanup') as { readonly report: unknown }).report;
  }

  /** The status of cleanup. */
  async cleanup(): Promise<unknown> {
    return answerOf(await this.ask('cleanup'), 'cleanup');
  }

  /** Follows until the test is over. */
  follow(
    id: string,
    position: Partial<Pick<Answer, 'epoch' | 'version'>> = {},
    transport: Transport = webSocketTransport,
  ): Subscription {
    const { epoch: clientEpoch = null, version: clientVersion = null } = position;
    const subscription = transport.subscribe(this.server, followOperation(id, { clientEpoch, clientVersion }));
    this.#subscriptions.push(subscription);
    onTestFinished(() => subscription.leave());
    return subscription;
  }

  /** Everything that was ever said: answers, events and the log. */
  get words(): readonly string[] {
    const events = this.#subscriptions.flatMap(({ results }) => results.all.map((result) => JSON.stringify(result)));
    return [...this.replies, ...events, ...this.log];
  }

  /** What was said by who must not tell any state: the log, and answers that are errors. */
  get wordsOfFailure(): readonly string[] {
    return [...this.log, ...this.replies.filter((reply) => /"errors"|Error"/.test(reply))];
  }

  async #post(field: Field, variables: string): Promise<GraphQLResult> {
    const response = await fetch(this.server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: `{"query":${JSON.stringify(documents[field])},"variables":${variables}}`,
    });
    const text = await response.text();
    this.replies.push(text);
    // What GraphQL over HTTP answers.
    return JSON.parse(text) as GraphQLResult;
  }
}

/** Fails on errors. */
function answerOf({ data, errors }: GraphQLResult, field: Field): unknown {
  if (errors !== undefined) throw new Error(`${field}: ${JSON.stringify(errors)}`);
  return data?.[field];
}
