import type { IncomingMessage } from 'node:http';
import type { Plugin } from 'graphql-yoga';
import { type AccessVerbs, guardAccess } from '../access/admin.ts';
import type { Authenticator, Credentials } from '../access/credentials.ts';
import { guard, type Verbs } from '../access/guard.ts';
import { missing } from '../access/refusals.ts';
import { guardReports, type ReportSource, type ReportVerbs } from '../access/report.ts';
import { Revocations } from '../access/revocations.ts';
import { Session } from '../access/session.ts';
import { anonymous, type Viewer } from '../access/viewer.ts';
import type { Clock } from '../clock.ts';
import { ChordError, UnauthenticatedError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { ChordService } from '../service/service.ts';
import { isFromBrowser } from './graphiql.ts';
import { maskError } from './mask-error.ts';
import type { Recorded } from './reporting/requests.ts';
import { traceVerbs } from './reporting/traced-verbs.ts';

/** What the door is built from. */
export interface DoorkeeperOptions {
  readonly chord: ChordService;
  readonly authenticator: Authenticator;
  readonly reports: ReportSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** Whether there is a page for browsers. */
  readonly graphiql: boolean;
  /** How long subscriptions outlive their credentials, in ms. */
  readonly authGraceMs: number;
}

/** Somebody who was let in, and what they may do. */
export interface Admission {
  readonly session: Session;
  readonly chord: Verbs;
  readonly access: AccessVerbs;
  readonly reports: ReportVerbs;
}

/** What the transport hands to yoga of a request. */
export interface Entering extends Recorded {
  /** Of one whose viewer was let in already, or refused; not to be asked again. */
  readonly admission?: Promise<Admission> | undefined;
}

/** Lets viewers in, over every transport: finds out who they are, once for a request or a WebSocket. */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly #revocations: Revocations;
  /** With something that stays open when what was asked is answered. */
  readonly #sessions = new Set<Session>();
  readonly #everybody: Admission;
  readonly #admitted = new WeakMap<Request, Admission>();

  constructor(options: DoorkeeperOptions) {
    const { authenticator, chord } = options;
    this.#options = options;
    this.#revocations = new Revocations({ ...options, notes: chord.notes });
    this.#revocations.listen(() => this.#recheck());
    authenticator.listen(() => this.#recheck());
    this.#everybody = this.#admit(anonymous);
  }

  /** Whether nobody is asked who they are. */
  get isOpen(): boolean {
    return this.#options.authenticator.isOpen;
  }

  /** Keeps up with what is revoked, from now on. */
  open(): void {
    if (!this.#options.authenticator.isOpen) this.#revocations.start();
  }

  close(): void {
    this.#revocations.close();
  }

  /** @throws UnauthenticatedError, BackendUnavailableError */
  async admit(credentials: Credentials, onEnd?: (reason: ChordError) => void): Promise<Admission> {
    const { authenticator } = this.#options;
    if (authenticator.isOpen) return this.#everybody;
    const viewer = await authenticator.authenticate(credentials);
    // As far as it is known. While it is not, every verb and every event waits until it is.
    const reason = this.#revocations.list.refusalOf(viewer);
    if (reason !== undefined) throw reason;
    return this.#admit(viewer, onEnd);
  }

  /** New credentials for a session. @throws UnauthenticatedError, BackendUnavailableError */
  async refresh(session: Session, token: string): Promise<void> {
    const header = (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined);
    session.refresh(await this.#options.authenticator.authenticate({ header }));
  }

  /**
   * Who sent an HTTP request.
   *
   * @throws UnauthenticatedError for one that was let through for GraphiQL's page alone.
   */
  admissionOf(request: Request): Admission {
    const admission = this.#options.authenticator.isOpen ? this.#everybody : this.#admitted.get(request);
    if (admission === undefined) throw missing();
    return admission;
  }

  /** Answers requests of nobody before their bodies are read. */
  get plugin(): Plugin<object, Entering> {
    const { graphiql } = this.#options;
    return {
      onRequest: async ({ request, fetchAPI, endResponse, serverContext: { record, admission: begun } }) => {
        const { isOpen } = this.#options.authenticator;
        if (isOpen && record !== undefined) record.viewerId = anonymous.id;
        // A preflight has no credentials (WHATWG Fetch, 4.8).
        if (isOpen || request.method === 'OPTIONS') return;
        try {
          const admission = await (begun ?? this.admit(credentialsOf(request)));
          this.#admitted.set(request, admission);
          if (record !== undefined) record.viewerId = admission.session.viewer.id;
        } catch (error) {
          // GraphiQL's page is shown to everybody, and holds nothing. What it asks for has to be admitted.
          if (graphiql && isFromBrowser(request)) return;
          record?.report([maskError(error)]);
          const isOurs = error instanceof ChordError;
          endResponse(isOurs ? refusal(error, fetchAPI.Response) : failure(record?.id, fetchAPI.Response));
        }
      },
    };
  }

  #admit(viewer: Viewer, onEnd?: (reason: ChordError) => void): Admission {
    const { authenticator, chord, clock, logger, tracing, authGraceMs: graceMs } = this.#options;
    const [revocations, open] = [this.#revocations, this.#sessions];
    const currentViewer = (known: Viewer) => authenticator.currentViewer(known);
    const session = new Session(viewer, { clock, revocations, currentViewer, open, graceMs, onEnd });
    const { isOpen } = authenticator;
    const verbs = guard(chord, session);
    const traced = tracing === undefined ? verbs : traceVerbs(verbs, tracing);
    return {
      session,
      chord: traced,
      access: guardAccess(revocations, { session, isOpen, logger }),
      reports: guardReports(this.#options.reports, session),
    };
  }

  /** Ends what is no longer permitted. */
  #recheck(): void {
    const { authenticator } = this.#options;
    for (const session of this.#sessions) session.recheck(authenticator.currentViewer(session.viewer));
  }
}

/** The headers of a request, and of an upgrade also the payload of `connection_init`. */
export function credentialsIn(
  { headers }: Pick<IncomingMessage, 'headers'>,
  connectionParams?: Readonly<Record<string, unknown>>,
): Credentials {
  const header = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  return { header, connectionParams };
}

function credentialsOf({ headers }: Request): Credentials {
  return { header: (name) => headers.get(name) ?? undefined };
}

/** Somebody's mistake, but not the client's: the log has it. */
function failure(requestId: string | undefined, ResponseOf: typeof Response): Response {
  const extensions = { code: 'INTERNAL_SERVER_ERROR', requestId };
  const body = { errors: [{ message: 'Unexpected error.', extensions }] };
  return new ResponseOf(JSON.stringify(body), {
    status: 500,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
}

/** In the words of GraphQL, and in those of HTTP (RFC 9110, 15.5.2; RFC 6750, 3). */
function refusal(error: ChordError, ResponseOf: typeof Response): Response {
  const isUnknown = error instanceof UnauthenticatedError;
  const body = { errors: [{ message: error.message, extensions: { code: error.code } }] };
  return new ResponseOf(JSON.stringify(body), {
    status: isUnknown ? 401 : 503,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      ...(isUnknown ? { 'www-authenticate': 'Bearer' } : {}),
    },
  });
}
