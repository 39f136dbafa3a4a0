/**
 * Which web pages may use the server.
 *
 * A browser sends any site's requests to any server that it can reach, also one on its user's machine or behind a
 * firewall. It names the page's origin in every request that could do harm and in every upgrade to a WebSocket (which
 * CORS does not cover). So what comes from a foreign origin is refused before anything is done, not just made unreadable.
 */
import { isIP } from 'node:net';
import type { Plugin, YogaServerOptions } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import type { Client } from './forwarded.ts';

/** The origins that are let in: the server's own, and those of a list. */
export class Origins {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed origins as browsers write them, or `*` for all. */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /**
   * Whether a request may come in.
   *
   * @param origin its header `Origin`; undefined: it is not a browser's, or of no consequence.
   * @param called whom it called.
   */
  admits(origin: string | undefined, called: Pick<Client, 'host' | 'isSecure'>): boolean {
    return origin === undefined || this.#isListed(origin) || isSame(origin, called);
  }

  /** For yoga: lets pages of listed origins read answers. Never with cookies, which nothing here looks at. */
  readonly cors: NonNullable<YogaServerOptions<object, object>['cors']> = (request: Request) => {
    const origin = request.headers.get('origin');
    if (origin === null || !this.#isListed(origin)) return false;
    return { origin: [origin], credentials: false, exposedHeaders, maxAge: maxAgeSeconds };
  };

  /** The same as the headers that yoga makes of it, for a request that asks for no others. */
  corsHeaders(origin: string | undefined): Readonly<Record<string, string>> | undefined {
    if (origin === undefined || !this.#isListed(origin)) return undefined;
    return {
      'access-control-allow-origin': origin,
      'access-control-expose-headers': exposedHeaders.join(', '),
      'access-control-max-age': String(maxAgeSeconds),
    };
  }

  #isListed(origin: string): boolean {
    return this.#allowed.has('*') || this.#allowed.has(origin);
  }
}

const exposedHeaders = ['Retry-After', 'X-Request-Id'];
const maxAgeSeconds = 3_600;

/**
 * Whether the page came from the server itself. What did not come by TLS may have done so as far as a proxy that is not
 * trusted, so either scheme is right; but what came by TLS is not for a page that anybody on the way could have written.
 */
function isSame(origin: string, { host, isSecure }: Pick<Client, 'host' | 'isSecure'>): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: own } = new URL(origin);
  if (isSecure && protocol !== 'https:') return false;
  const called = `${protocol}//${host}`;
  return own !== '' && URL.canParse(called) && new URL(called).host === own;
}

/**
 * The names that a server answers to when it asks nobody who they are, and relies on being reached from its own machine
 * only.
 *
 * A site can have its name point to 127.0.0.1 (DNS rebinding): its page and this server are one origin then, to the
 * browser as to `Origins`. But it has to call the server by that name. Addresses cannot be pointed elsewhere, and
 * `localhost` is nobody's (RFC 6761, 6.3). Requests of every kind are looked at, since a page's GET tells a server
 * without TLS neither its origin nor that it is a page's. Always the `Host` itself: a page may write X-Forwarded-Host.
 */
export class OwnNames {
  readonly #names: ReadonlySet<string>;
  readonly #isOpenToAll: boolean;
  /** What was found of hosts: clients say the same each time, and the parser takes a µs. */
  readonly #found = new LRUCache<string, boolean>({ max: 100, memoMethod: (host) => this.#isOwn(host) });

  /**
   * @param host what the server listens on.
   * @param origins of pages that may use it under names of theirs, or `*`.
   */
  constructor(host: string, origins: readonly string[]) {
    this.#isOpenToAll = origins.includes('*');
    const listed = origins.filter((origin) => URL.canParse(origin)).map((origin) => new URL(origin).hostname);
    this.#names = new Set([host.toLowerCase(), ...listed]);
  }

  /** @param host the header `Host`; undefined: it is not a browser's. */
  admits(host: string | undefined): boolean {
    return host === undefined || this.#isOpenToAll || this.#found.memo(host);
  }

  #isOwn(host: string): boolean {
    if (!URL.canParse(`http://${host}`)) return false;
    const name = new URL(`http://${host}`).hostname.replace(/\.$/, '');
    const isAddress = name.startsWith('[') || isIP(name) !== 0;
    return isAddress || name === 'localhost' || name.endsWith('.localhost') || this.#names.has(name);
  }
}

/**
 * Refuses forms: any page may send one anywhere without asking, and an old browser without saying where it is from.
 * (The other types that need no asking, text and multipart, yoga does not take.)
 */
export const refuseForms: Plugin = {
  onRequestParse: ({ request, fetchAPI, endResponse }) => {
    const type = request.headers.get('content-type')?.split(',', 1)[0]?.trim().toLowerCase();
    if (type?.startsWith('application/x-www-form-urlencoded') !== true) return;
    endResponse(new fetchAPI.Response(null, { status: 415, headers: { accept: 'application/json' } }));
  },
};
