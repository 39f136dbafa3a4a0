/** What the server around the library can be told. The table of options says the same of each (config/table.ts). */
import type { OwnAuthenticate } from '../access/own.ts';
import type { Backend } from '../backend/backend.ts';
import type { ChordOptions } from '../chord.ts';
import type { ExternalName } from '../external/builtin.ts';
import type { Exporter, Provider } from '../external/external.ts';
import type { LogFormat, Logger, LogLevel } from '../observability/logger.ts';

/** What `createApp` can be told: what `createChord` can, and the options of the server around it. */
export interface AppOptions extends Omit<ChordOptions, 'backend' | 'exporter' | 'provider'> {
  /** The name of a built-in backend, or one of yours. `stop` closes it. Default `lmdb`. */
  readonly backend?: 'lmdb' | 'memory' | 'redis' | Backend | undefined;
  /** The directory of the backend `lmdb`; made when it is not there. Default ./chord-data. */
  readonly dataDir?: string | undefined;
  /** Of the command, which starts so many processes; an app is one, and more than 1 is refused. Default 1. */
  readonly workers?: number | undefined;
  /** Of the command: after how long a worker that hangs is killed, in ms. Default 30 s. */
  readonly workerTimeoutMs?: number | undefined;
  /** Weight of the states and deltas that the backends `lmdb` and `redis` keep in memory, in bytes. Default 64 MiB. */
  readonly cacheBytes?: number | undefined;
  /** The Redis of the backend `redis`: `redis://host`, one of the other forms of docs/operations.md, or nodes of a Cluster. */
  readonly redisUrl?: string | readonly string[] | null | undefined;
  /** What all keys and channels in Redis begin with. Default `chord:`. */
  readonly redisPrefix?: string | undefined;
  /** How long one call to Redis may take, connecting included, in ms. Default 5 s. */
  readonly redisTimeoutMs?: number | undefined;
  /** The name of a built-in exporter, or one of yours. Default `none`. */
  readonly exporter?: ExternalName | Exporter | undefined;
  /** The name of a built-in provider, or one of yours. Default `none`. */
  readonly provider?: ExternalName | Provider | undefined;
  /** The directory of the exporter and the provider `file`. Default ./chord-exports. */
  readonly exportDir?: string | undefined;
  /** Where the exporter `webhook` posts contexts. */
  readonly webhookExportUrl?: string | null | undefined;
  /** Where the provider `webhook` asks for contexts. */
  readonly webhookProviderUrl?: string | null | undefined;
  /** The key of the HMAC that signs what the webhooks send. */
  readonly webhookSecret?: string | null | undefined;
  /** The bucket of the exporter and the provider `s3`. */
  readonly s3Bucket?: string | null | undefined;
  /** What the keys of the objects begin with. Default none. */
  readonly s3Prefix?: string | null | undefined;
  /** The region of the bucket. Default: what the AWS SDK finds. */
  readonly s3Region?: string | null | undefined;
  /** The URL of another S3-compatible storage than that of AWS. */
  readonly s3Endpoint?: string | null | undefined;
  /** Whether the bucket is named in the path instead of the host. Default false. */
  readonly s3PathStyle?: boolean | undefined;
  /** Where log lines go; by default to standard output as `logLevel` and `logFormat` say. */
  readonly logger?: Logger | undefined;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** TCP port to listen on; 0 is any free one. Default 4000. */
  readonly port?: number | undefined;
  /** The file with the certificate as PEM, those of its issuers after it: clients speak TLS. Needs tlsKeyFile. Default none. */
  readonly tlsCertFile?: string | null | undefined;
  /** The file with the private key of tlsCertFile as PEM, without a passphrase. Default none. */
  readonly tlsKeyFile?: string | null | undefined;
  /** Proxies whose X-Forwarded-For, -Proto and -Host are believed: addresses, ranges, `loopback`, `private`. Default none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** TCP port of /metrics; 0 is any free one. Default null: nothing is counted. */
  readonly metricsPort?: number | null | undefined;
  /** Address that /metrics is at. Default 127.0.0.1. */
  readonly metricsHost?: string | undefined;
  /** The collector of OpenTelemetry that traces are sent to, like http://127.0.0.1:4318. Default null: nothing is traced. */
  readonly otlpEndpoint?: string | null | undefined;
  /** The share of requests that are traced, of those whose clients do not say: 0 to 1. Default 1. */
  readonly traceSampleRatio?: number | undefined;
  /** Says who asks, instead of API keys and tokens. */
  readonly authenticate?: OwnAuthenticate | undefined;
  /** Whether everybody may do everything also on an address that others can reach, when nothing says who asks. Default false. */
  readonly allowAnonymous?: boolean | undefined;
  /** The JSON file with the digests of API keys and what each may (docs/access.md). */
  readonly apiKeysFile?: string | null | undefined;
  /** The secret that tokens (JWT) are signed with, 32 bytes at least. */
  readonly jwtSecret?: string | null | undefined;
  /** The file with the public key that tokens are checked with, as PEM. */
  readonly jwtPublicKeyFile?: string | null | undefined;
  /** Where the public keys of tokens are (JWKS), by https. */
  readonly jwksUrl?: string | null | undefined;
  /** The algorithms that tokens may be signed by. Default `auto`: all that fit the key. */
  readonly jwtAlgorithms?: 'auto' | readonly string[] | undefined;
  /** The `iss` that tokens must have. Default any. */
  readonly jwtIssuer?: string | null | undefined;
  /** One of these must be in the `aud` of tokens. Default any. */
  readonly jwtAudience?: readonly string[] | undefined;
  /** By how much the clock of who issues tokens may differ, in ms. Default 5 s. */
  readonly jwtClockToleranceMs?: number | undefined;
  /** Whether tokens without `exp` are refused. Default true. */
  readonly jwtRequireExpiry?: boolean | undefined;
  /** The claim that says who the viewer is. Default `sub`. */
  readonly jwtViewerClaim?: string | undefined;
  /** The claim that says what the viewer may. Default `chord`. */
  readonly jwtGrantsClaim?: string | undefined;
  /** A subscriber to whom nothing can be written for so long is disconnected, in ms. Default 60 s. */
  readonly slowReaderTimeoutMs?: number | undefined;
  /** How long everything is still served when the server stops, while /ready says 503, in ms. Default 0. */
  readonly drainDelayMs?: number | undefined;
  /** How long the rest may take when the server stops: subscribers leave, requests in flight finish; in ms. Default 10 s. */
  readonly drainTimeoutMs?: number | undefined;
  /** Over how long subscribers are sent elsewhere then, in ms; half of drainTimeoutMs at most. Default 5 s. */
  readonly drainSpreadMs?: number | undefined;
  /** How often cleanup runs at least, in ms; 0: `start` starts none. Default 1 h. */
  readonly cleanupIntervalMs?: number | undefined;
  /** How long subscriptions outlive their credentials, in ms. Default 30 s. */
  readonly authGraceMs?: number | undefined;
  /** Largest body of an HTTP request and largest WebSocket message, in bytes. Default 8 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Longest GraphQL document, in tokens. Default 2,000. */
  readonly maxQueryTokens?: number | undefined;
  /** Deepest nesting of fields in an operation. Default 15. */
  readonly maxQueryDepth?: number | undefined;
  /** Most fields of an operation that have an alias or are repeated. Default 100. */
  readonly maxQueryAliases?: number | undefined;
  /** Most fields that an operation may answer, those in pages as often as their `limit` says. Default 10,000. */
  readonly maxQueryCost?: number | undefined;
  /** How long an operation may take to answer, in ms; what it has begun goes on. Default 60 s. */
  readonly queryTimeoutMs?: number | undefined;
  /** How long a client may take to send a request, in ms. Default 60 s. */
  readonly requestTimeoutMs?: number | undefined;
  /** How long a client may take from opening a WebSocket to `connection_init`, in ms. Default 3 s. */
  readonly connectionInitTimeoutMs?: number | undefined;
  /** Most connections of a process, WebSockets and event streams included. Default 50,000. */
  readonly maxConnections?: number | undefined;
  /** Most subscriptions on one WebSocket. Default 1,000. */
  readonly maxSubscriptionsPerConnection?: number | undefined;
  /** Most WebSockets of one viewer in a process; null: any number. Default null. */
  readonly maxConnectionsPerViewer?: number | null | undefined;
  /** Most subscriptions of one viewer in a process; null: any number. Default null. */
  readonly maxSubscriptionsPerViewer?: number | null | undefined;
  /** Most operations of one viewer in a second, in a process; with Redis in all of them. null: any number. Default null. */
  readonly requestsPerSecond?: number | null | undefined;
  /** The same of mutations, each field of a document. null: any number. Default null. */
  readonly writesPerSecond?: number | null | undefined;
  /** Origins of web pages that may use the server, beside its own; `*` for all. Default none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** The JSON file with the documents by their hashes; when set, only these run. Default none. */
  readonly trustedDocumentsFile?: string | null | undefined;
  /** Whether clients may ask for the schema. Default: only when `host` is a loopback address. */
  readonly introspection?: boolean | undefined;
  /** Whether browsers get GraphiQL at /graphql. Default: only when `host` is a loopback address. */
  readonly graphiql?: boolean | undefined;
  /** Least severe level that is logged. Default `info`. */
  readonly logLevel?: LogLevel | undefined;
  /** How log lines look; `auto` is pretty on a terminal and json elsewhere. Default `auto`. */
  readonly logFormat?: LogFormat | undefined;
}
