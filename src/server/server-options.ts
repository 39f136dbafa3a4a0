import type { Authenticator } from '../access/credentials.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { ChordService } from '../service/service.ts';
import type { Certificate } from './http/tls.ts';
import type { QueryLimits } from './limits/limits.ts';
import type { QuotaLimits } from './limits/quotas.ts';
import type { TrustedDocuments } from './limits/trusted-documents.ts';
import type { About } from './reporting/roster.ts';

/** What the server is built from. Times in ms, sizes in bytes. */
export interface ServerOptions extends QueryLimits, QuotaLimits {
  readonly chord: ChordService;
  readonly about: About;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly authenticator: Authenticator;
  /** How long subscriptions outlive their credentials. */
  readonly authGraceMs: number;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Absent: no TLS. */
  readonly certificate?: Certificate | undefined;
  /** Whose `X-Forwarded-*` are believed (forwarded.ts). */
  readonly trustedProxies: readonly string[];
  readonly graphiql: boolean;
  readonly maxRequestBytes: number;
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs: number;
  readonly connectionInitTimeoutMs: number;
  readonly maxConnections: number;
  /** Absent: clients send any document. */
  readonly trustedDocuments?: TrustedDocuments | undefined;
  /** Of pages that may use the server beside its own, or `*`. */
  readonly corsOrigins: readonly string[];
  readonly slowReaderTimeoutMs: number;
  /** How long everything is still served when the server stops, while `/ready` says 503. */
  readonly drainDelayMs: number;
  /** How long subscribers may take to leave then, and requests in flight to finish. */
  readonly drainTimeoutMs: number;
  /** Over how long subscribers are sent elsewhere; half of `drainTimeoutMs` at most. */
  readonly drainSpreadMs: number;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** Whether plain requests take the short way (lane.ts). Default true. */
  readonly hasLane?: boolean | undefined;
  /** How often an operation is executed before it is compiled. Default 10. */
  readonly compileAfter?: number | undefined;
}
