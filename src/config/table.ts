import type { z } from 'zod';
import { accessOptions } from './access-options.ts';
import {
  boolean,
  choice,
  choiceOrObject,
  integer,
  list,
  maxTimerMs,
  option,
  orNone,
  prefix,
  text,
  urls,
} from './kinds.ts';
import { limitOptions } from './limit-options.ts';
import { networkOptions } from './network-options.ts';
import { tracingOptions } from './tracing-options.ts';

/** 1,000 years: a moment so far ahead is still one that RFC 3339 can write. */
const maxTtlMs = 31_622_400_000_000;

/**
 * The configuration: one table, from which the flags, the environment variables, the file's keys, `--help` and the
 * table in docs/operations.md all come.
 *
 * Names are written once, in camelCase: `maxStateBytes` is also `CHORD_MAX_STATE_BYTES` and `--max-state-bytes`. A
 * flag outranks the environment, which outranks the file, which outranks the default. Every given value is checked,
 * also one that is outranked: a mistake is better found at the start than on the day when the flag is dropped.
 */
export const table = {
  ...networkOptions,
  ...tracingOptions,
  ...accessOptions,
  backend: option(choice('lmdb', 'memory', 'redis'), {
    default: 'lmdb',
    description:
      'Where contexts are kept: lmdb in dataDir, on the disk; memory forgets them when the process ends; redis in redisUrl, for any number of processes.',
  }),
  dataDir: option(text(), {
    default: './chord-data',
    description: 'The directory of the backend lmdb; made when it is not there. One process uses it at a time.',
  }),
  cacheBytes: option(integer(1_048_576), {
    default: 67_108_864,
    unit: 'bytes',
    description:
      'Weight of the states and deltas that the backends lmdb and redis keep in memory; the rest is read from the disk or from Redis.',
  }),
  redisUrl: option(orNone(urls()), {
    default: null,
    isSecret: true,
    description:
      'The Redis of the backend redis: redis://[user[:password]@]host[:port][/db], rediss:// with TLS, redis+sentinel://host,host/name, redis+cluster://host,host; several redis:// are nodes of one Cluster.',
  }),
  redisPrefix: option(prefix(), {
    default: 'chord:',
    description: 'What all keys and channels in Redis begin with: processes with the same prefix share their contexts.',
  }),
  redisTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 5_000,
    unit: 'ms',
    description: 'How long one call to Redis may take, connecting included.',
  }),
  deltaThreshold: option(orNone(integer(0)), {
    default: 100,
    unit: 'deltas',
    description: 'Deltas kept per context, the oldest are trimmed; none keeps all.',
  }),
  contextAutoDelete: option(boolean(), {
    default: false,
    description: 'Whether contexts that were given no ttlMs get contextTtlMs as theirs.',
  }),
  contextTtlMs: option(orNone(integer(1, maxTtlMs)), {
    default: null,
    unit: 'ms',
    description: 'Time to live of such contexts; needed when contextAutoDelete is on.',
  }),
  deltaTtlMs: option(orNone(integer(1, maxTtlMs)), {
    default: 86_400_000,
    unit: 'ms',
    description: 'How old deltas may become before cleanup trims them; none keeps them whatever their age.',
  }),
  tombstoneTtlMs: option(orNone(integer(1, maxTtlMs)), {
    default: 172_800_000,
    unit: 'ms',
    description: 'How long it is remembered that a context was deleted or has expired.',
  }),
  cleanupIntervalMs: option(integer(0, maxTtlMs), {
    default: 3_600_000,
    unit: 'ms',
    description:
      'How often cleanup runs at least; what becomes due sooner brings it forward. 0: the server starts none.',
  }),
  cleanupLimit: option(orNone(integer(1, 2_147_483_647)), {
    default: null,
    unit: 'items',
    description:
      'How many of each kind (contexts, contexts with old deltas, tombstones) a run of cleanup takes on in one batch; none lets it choose.',
  }),
  exporter: option(choiceOrObject('exportContext', 'none', 'file', 'webhook', 's3'), {
    default: 'none',
    description: 'Where exportContext takes contexts.',
  }),
  provider: option(choiceOrObject('fetchContext', 'none', 'file', 'webhook', 's3'), {
    default: 'none',
    description: 'Where restoreContext brings contexts back from.',
  }),
  exportBeforeExpire: option(boolean(), {
    default: false,
    description: 'Whether a context that expires is exported first, and kept until that succeeds.',
  }),
  exportRetryMs: option(integer(1, maxTimerMs()), {
    default: 60_000,
    unit: 'ms',
    description: 'How long the next attempt waits after such an export failed; doubled each time, up to an hour.',
  }),
  restoreOnMiss: option(boolean(), {
    default: false,
    description: 'Whether reading or following a context that is not there asks the provider for it.',
  }),
  externalTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 30_000,
    unit: 'ms',
    description: 'How long one export or one fetch may take, retries included.',
  }),
  exportDir: option(text(), {
    default: './chord-exports',
    description: 'The directory of the exporter and the provider file: one JSON file for each context.',
  }),
  webhookExportUrl: option(orNone(text()), {
    default: null,
    isSecret: true,
    description: 'Where the exporter webhook posts contexts.',
  }),
  webhookProviderUrl: option(orNone(text()), {
    default: null,
    isSecret: true,
    description: 'Where the provider webhook asks for contexts.',
  }),
  webhookSecret: option(orNone(text()), {
    default: null,
    isSecret: true,
    description: 'The key of the HMAC that signs what the webhooks send.',
  }),
  s3Bucket: option(orNone(text()), {
    default: null,
    description: 'The bucket of the exporter and the provider s3. Credentials come from where the AWS SDK looks.',
  }),
  s3Prefix: option(orNone(text()), {
    default: null,
    description: 'What the keys of the objects begin with.',
  }),
  s3Region: option(orNone(text()), {
    default: null,
    description: 'The region of the bucket; none: what the AWS SDK finds.',
  }),
  s3Endpoint: option(orNone(text()), {
    default: null,
    description: 'The URL of another S3-compatible storage than that of AWS.',
  }),
  s3PathStyle: option(boolean(), {
    default: false,
    description: 'Whether the bucket is named in the path instead of the host, as many such storages want it.',
  }),
  maxStateBytes: option(integer(2), {
    default: 1_048_576,
    unit: 'bytes',
    description: 'Largest weight of a state: its compact JSON in UTF-8 plus one byte per non-empty object.',
  }),
  maxStateDepth: option(integer(1, 1000), {
    default: 64,
    unit: 'levels',
    description: 'Deepest nesting of a state; objects and arrays count, the state itself is 1.',
  }),
  forbiddenKeys: option(list('keys'), {
    default: [],
    unit: 'keys',
    description: 'Keys that no state may hold, for teams whose clients choke on some.',
  }),
  maxMergeDeltas: option(integer(1), {
    default: 10_000,
    unit: 'deltas',
    description: 'Most deltas merged to answer one sync; a client further behind gets the full context.',
  }),
  idempotencyWindowMs: option(integer(1), {
    default: 300_000,
    unit: 'ms',
    description: 'How long an idempotency key is remembered.',
  }),
  maxQueuedWrites: option(integer(1), {
    default: 10_000,
    unit: 'writes',
    description: 'Most writes that may wait for one context; further ones are refused.',
  }),
  recheckMs: option(integer(1, maxTimerMs()), {
    default: 30_000,
    unit: 'ms',
    description: 'How often a quiet context that is followed is compared with the store.',
  }),
  slowReaderTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 60_000,
    unit: 'ms',
    description: 'A subscriber to whom nothing can be written for so long is disconnected.',
  }),
  drainDelayMs: option(integer(0, 86_400_000), {
    default: 0,
    unit: 'ms',
    description:
      'How long everything is still served when the server stops, while /ready says 503: for proxies that ask it.',
  }),
  drainTimeoutMs: option(integer(0, 86_400_000), {
    default: 10_000,
    unit: 'ms',
    description: 'How long the rest may take when the server stops: subscribers leave, requests in flight finish.',
  }),
  drainSpreadMs: option(integer(0, 86_400_000), {
    default: 5_000,
    unit: 'ms',
    description:
      'Over how long subscribers are sent elsewhere when the server stops, so that they do not all connect again at once; half of drainTimeoutMs at most. 0: all at once.',
  }),
  authGraceMs: option(integer(0, maxTimerMs()), {
    default: 30_000,
    unit: 'ms',
    description: 'How long subscriptions outlive their credentials, so that clients can bring new ones.',
  }),
  maxRequestBytes: option(integer(1), {
    default: 8_388_608,
    unit: 'bytes',
    description: 'Largest body of an HTTP request and largest WebSocket message.',
  }),
  ...limitOptions,
  graphiql: option(boolean(), {
    default: true,
    isLocal: true,
    description: 'Whether browsers get GraphiQL at /graphql.',
  }),
  logLevel: option(choice('debug', 'info', 'warn', 'error', 'silent'), {
    default: 'info',
    description: 'Least severe level that is logged.',
  }),
  logFormat: option(choice('auto', 'json', 'pretty'), {
    default: 'auto',
    description: 'How log lines look; auto is pretty on a terminal and json elsewhere.',
  }),
};

/** What only code can say, so only the file can hold it. */
export const codeTable = {
  deltaFormatter: {
    expected: 'a function (delta) => JSON',
    description:
      'Makes the field `formatted` of a delta; the default is a flat list of what was added, modified, removed.',
  },
  timeProvider: {
    expected: 'a function () => milliseconds since the Unix epoch',
    description: 'Where the server takes the time from; the default is the system clock.',
  },
  authenticate: {
    expected: 'a function (credentials) => viewer or null, or a promise of one',
    description: 'Says who asks, instead of API keys and tokens (docs/access.md).',
  },
};

/** The name of an option, in camelCase. */
export type OptionName = keyof typeof table;
/** In the order of the table. */
export const optionNames = Object.keys(table) as readonly OptionName[];

/** The values of the table: everything that flags, environment and file can say. */
export type OptionValues = { readonly [Name in OptionName]: z.output<(typeof table)[Name]['schema']> };
