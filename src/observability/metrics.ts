/**
 * Every metric in one table: its name, what it tells, and every value that its labels can have.
 *
 * The layers are given a `Metrics`, as they are given a logger, and tell it facts by the keys of the table; where none is
 * given nothing is counted, at no cost. What becomes of the facts is decided elsewhere (prometheus.ts). No label has
 * values that somebody outside can choose: neither ids nor viewers, so that the number of series is known.
 */
import { limitNames, refusalCodes } from './refusal-codes.ts';

/** What a metric is. */
export interface Definition<Label extends string = string> {
  /** In the words of Prometheus: base units, `_total` for what only grows. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: { readonly [L in Label]: readonly string[] };
  /** Upper bounds, of a histogram. */
  readonly buckets?: readonly number[];
  /** How the figures of several workers become one. Absent: the sum. */
  readonly ofWorkers?: 'first';
  /** Not all combinations of the labels mean something, so that none is shown before it happens. */
  readonly isSparse?: boolean;
}

const callSeconds = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const lagSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const externalSeconds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const writeVerbs = ['set', 'update', 'delete', 'restore', 'fill'] as const;
const writeOutcomes = [
  'done',
  'unchanged',
  'duplicate',
  'conflict',
  'keyReused',
  'notFound',
  'invalid',
  'limit',
  'external',
  'notStored',
  'unknown',
  'failed',
] as const;
const eventKinds = ['full', 'delta', 'noChange', 'gone', 'noContext'] as const;
const transports = ['websocket', 'sse'] as const;

/** All metrics of our own. What docs/metrics.md says of them is compared with this by a test. */
export const table = {
  info: {
    name: 'chord_info',
    type: 'gauge',
    help: 'Always 1; the label says where contexts are kept.',
    labels: { backend: ['lmdb', 'memory', 'redis', 'own'] },
    ofWorkers: 'first',
  },
  writes: {
    name: 'chord_writes_total',
    type: 'counter',
    help: 'Writes that were answered. The verb fill is a restore that a read caused.',
    labels: { verb: writeVerbs, outcome: writeOutcomes },
  },
  writeSeconds: {
    name: 'chord_write_duration_seconds',
    type: 'histogram',
    help: 'How long a write took from its arrival to its answer, waiting included, whatever its outcome.',
    labels: { verb: writeVerbs },
    buckets: callSeconds,
  },
  queuedWrites: {
    name: 'chord_queued_writes',
    type: 'gauge',
    help: 'Writes that wait, are under way, or have their refusal confirmed.',
    labels: {},
  },
  answers: {
    name: 'chord_sync_answers_total',
    type: 'counter',
    help: 'Answers to a position: to a query, at the start of a subscription, or to a follower that had to be read for.',
    labels: {
      source: ['query', 'subscribe', 'catchUp'],
      kind: [...eventKinds, 'none'],
      reason: ['', 'NO_POSITION', 'EPOCH_CHANGED', 'CLIENT_AHEAD', 'TOO_OLD', 'SMALLER'],
    },
    isSparse: true,
  },
  followers: {
    name: 'chord_followers',
    type: 'gauge',
    help: 'Subscriptions that are attached to a context, those of the embedding process included.',
    labels: {},
  },
  followersBehind: {
    name: 'chord_followers_behind',
    type: 'gauge',
    help: 'Followers whose context has moved on and whose transport has not asked for the next event yet.',
    labels: {},
  },
  behindVersions: {
    name: 'chord_follower_behind_versions',
    type: 'histogram',
    help: 'How many versions of the same epoch a follower was behind each time the store was read for it.',
    labels: {},
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000],
  },
  watchedContexts: {
    name: 'chord_watched_contexts',
    type: 'gauge',
    help: 'Contexts that the store is watched for.',
    labels: {},
  },
  announcements: {
    name: 'chord_announcements_total',
    type: 'counter',
    help: 'Announcements of the store, by kind; interrupted: some may have been missed.',
    labels: { kind: ['changed', 'moved', 'removed', 'interrupted'] },
  },
  healedGaps: {
    name: 'chord_healed_gaps_total',
    type: 'counter',
    help: 'Contexts of which announcements were missed, which was found out and made good.',
    labels: { cause: ['interrupted', 'recheck'] },
  },
  deliveries: {
    name: 'chord_deliveries_total',
    type: 'counter',
    help: 'Events that the socket of a subscriber has taken.',
    labels: { transport: transports, kind: eventKinds },
  },
  deliveryLag: {
    name: 'chord_delivery_lag_seconds',
    type: 'histogram',
    help: 'From the commit, by the clock of the writing process, until the socket has taken the event; first events do not count.',
    labels: { transport: transports },
    buckets: lagSeconds,
  },
  backendSeconds: {
    name: 'chord_backend_call_duration_seconds',
    type: 'histogram',
    help: 'How long the store took to answer a call; a commit that is behind has lost to another writer.',
    labels: {
      method: [
        'read',
        'readOutcome',
        'commit',
        'watch',
        'due',
        'nextDue',
        'expire',
        'postpone',
        'trimDeltas',
        'purgeTombstone',
        'list',
        'heads',
        'deltas',
        'count',
        'lease',
        'noteRevision',
        'readNote',
        'writeNote',
        'takeRate',
        'ping',
      ],
      outcome: ['done', 'behind', 'duplicate', 'notStored', 'unknown', 'failed'],
    },
    buckets: callSeconds,
  },
  redisConnections: {
    name: 'chord_redis_connections_total',
    type: 'counter',
    help: 'Connections for commands: made, lost, or left by us, as when another server has become the master.',
    labels: { event: ['made', 'lost', 'left'] },
  },
  cleanupRuns: {
    name: 'chord_cleanup_runs_total',
    type: 'counter',
    help: 'Passes of cleanup in this process, scheduled or asked for.',
    labels: { outcome: ['done', 'failed'] },
  },
  cleanupRemoved: {
    name: 'chord_cleanup_removed_total',
    type: 'counter',
    help: 'What passes of cleanup that came to their end have removed.',
    labels: { kind: ['context', 'delta', 'tombstone'] },
  },
  failingExports: {
    name: 'chord_failing_exports',
    type: 'gauge',
    help: 'Contexts that this process keeps only because their last export failed.',
    labels: {},
  },
  externalSeconds: {
    name: 'chord_external_call_duration_seconds',
    type: 'histogram',
    help: 'How long exporter and provider took; none: the provider has nothing; stopped: nobody waited any longer.',
    labels: { role: ['exporter', 'provider'], outcome: ['done', 'none', 'failed', 'stopped'] },
    buckets: externalSeconds,
  },
  connections: {
    name: 'chord_connections',
    type: 'gauge',
    help: 'Open connections of clients; those that became WebSockets are no longer http.',
    labels: { transport: ['http', 'websocket'] },
  },
  subscriptions: {
    name: 'chord_subscriptions',
    type: 'gauge',
    help: 'Open subscriptions of clients.',
    labels: { transport: transports },
  },
  requests: {
    name: 'chord_http_requests_total',
    type: 'counter',
    help: 'HTTP requests whose answer has ended, event streams included; aborted: the client left before there was one.',
    labels: {
      path: ['graphql', 'live', 'ready', 'other'],
      status: ['2xx', '3xx', '4xx', '5xx', 'aborted'],
    },
  },
  refusals: {
    name: 'chord_refusals_total',
    type: 'counter',
    help: 'Operations, requests and connections that were refused or failed, by what the client was told; one that was told several codes counts once for each.',
    labels: { code: refusalCodes, transport: ['http', ...transports] },
  },
  limitRefusals: {
    name: 'chord_limit_refusals_total',
    type: 'counter',
    help: 'Those of them with the code LIMIT_EXCEEDED, by the option that they exceeded.',
    labels: { limit: limitNames },
  },
  slowReaders: {
    name: 'chord_slow_readers_total',
    type: 'counter',
    help: 'Connections that were ended because nothing could be written to them for slowReaderTimeoutMs.',
    labels: { transport: ['http', 'websocket'] },
  },
} as const satisfies Readonly<Record<string, Definition>>;

/** The key of a metric in the table. */
export type MetricName = keyof typeof table;

type Typed<Type extends Definition['type']> = {
  [Name in MetricName]: (typeof table)[Name]['type'] extends Type ? Name : never;
}[MetricName];

/** A metric that only grows. */
export type CounterName = Typed<'counter'>;
/** A metric that is asked for when somebody looks. */
export type GaugeName = Typed<'gauge'>;
/** A metric that is a distribution. */
export type HistogramName = Typed<'histogram'>;

type LabelsOf<Name extends MetricName> = (typeof table)[Name]['labels'];

/** A value for each label of a metric. */
export type Labels<Name extends MetricName> = {
  readonly [Label in keyof LabelsOf<Name>]: LabelsOf<Name>[Label] extends readonly (infer Value extends string)[]
    ? Value
    : never;
};

/** Is told what happens. Neither throws nor waits. */
export interface Metrics {
  /** @param by default 1. */
  count<Name extends CounterName>(name: Name, labels: Labels<Name>, by?: number): void;
  /** @param value in the unit of the metric's name: seconds, not ms. */
  observe<Name extends HistogramName>(name: Name, labels: Labels<Name>, value: number): void;
}

/** What each gauge says when somebody looks: a value for each combination of labels. */
export type Readings = {
  readonly [Name in GaugeName]: () => readonly { readonly labels: Labels<Name>; readonly value: number }[];
};

/** What became of a write, for the label of that name. */
export type WriteOutcome = Labels<'writes'>['outcome'];
/** Which write it was. `fill`: a restore that a read caused. */
export type WriteVerb = Labels<'writes'>['verb'];
