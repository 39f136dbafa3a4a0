import type { IncomingMessage } from 'node:http';
import type { Plugin } from 'graphql-yoga';
import type { Authenticator, Credentials } from '../access/credentials.ts';
import { guard, type Verbs } from '../access/guard.ts';
import { Session } from '../access/session.ts';
import { anonymous, type Viewer } from '../access/viewer.ts';
import type { Clock } from '../clock.ts';
import { ChordError, UnauthenticatedError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { ChordService } from '../service/service.ts';
import { isFromBrowser } from './graphiql.ts';

/** What the door is built from. */
export interface DoorkeeperOptions {
  readonly chord: ChordService;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether there is a page for browsers. */
  readonly graphiql: boolean;
  /** How long subscriptions outlive their credentials, in ms. */
  readonly authGraceMs: number;
}

/** Somebody who was let in, and what they may do. */
export interface Admission {
  readonly session: Session;
  readonly chord: Verbs;
}

/** Lets viewers in, over every transport: finds out who they are, once for a request or a WebSocket. */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly #everybody: Admission;
  readonly #admitted = new WeakMap<Request, Admission>();

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
    this.#everybody = this.#admit(anonymous);
  }

  /** @throws UnauthenticatedError, BackendUnavailableError */
  async admit(credentials: Credentials, onEnd?: (reason: ChordError) => void): Promise<Admission> {
    const { authenticator } = this.#options;
    if (authenticator.isOpen) return this.#everybody;
    return this.#admit(await authenticator.authenticate(credentials), onEnd);
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
    if (admission === undefined) throw new UnauthenticatedError('Credentials are required.');
    return admission;
  }

  /** Answers requests of nobody before their bodies are read. */
  get plugin(): Plugin {
    const { graphiql, logger } = this.#options;
    return {
      onRequest: async ({ request, fetchAPI, endResponse }) => {
        // A preflight has no credentials (WHATWG Fetch, 4.8).
        if (this.#options.authenticator.isOpen || request.method === 'OPTIONS') return;
        try {
          this.#admitted.set(request, await this.admit(credentialsOf(request)));
        } catch (error) {
          // GraphiQL's page is shown to everybody, and holds nothing. What it asks for has to be admitted.
          if (graphiql && isFromBrowser(request)) return;
          const isOurs = error instanceof ChordError;
          if (!isOurs) logger.error('unexpected error', { error });
          endResponse(isOurs ? refusal(error, fetchAPI.Response) : failure(fetchAPI.Response));
        }
      },
    };
  }

  #admit(viewer: Viewer, onEnd?: (reason: ChordError) => void): Admission {
    const { chord, clock, authGraceMs: graceMs } = this.#options;
    const session = new Session(viewer, { clock, graceMs, onEnd });
    return { session, chord: guard(chord, session) };
  }
}

/** The headers of an upgrade, and the payload of `connection_init`. */
export function credentialsOfSocket(
  { headers }: IncomingMessage,
  connectionParams: Readonly<Record<string, unknown>> | undefined,
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
function failure(ResponseOf: typeof Response): Response {
  const body = { errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }] };
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
