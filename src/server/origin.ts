/**
 * Which web pages may use the server.
 *
 * A browser sends any site's requests to any server that it can reach, also one on its user's machine or behind a
 * firewall. It names the page's origin in every request that could do harm and in every upgrade to a WebSocket (which
 * CORS does not cover). So what comes from a foreign origin is refused before anything is done, not just made unreadable.
 */
import type { Plugin, YogaServerOptions } from 'graphql-yoga';

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
   * @param host its header `Host`.
   */
  admits(origin: string | undefined, host: string | undefined): boolean {
    return origin === undefined || this.#isListed(origin) || isSame(origin, host);
  }

  /** For yoga: lets pages of listed origins read answers. Never with cookies, which nothing here looks at. */
  readonly cors: NonNullable<YogaServerOptions<object, object>['cors']> = (request: Request) => {
    const origin = request.headers.get('origin');
    if (origin === null || !this.#isListed(origin)) return false;
    return { origin: [origin], credentials: false, exposedHeaders: ['Retry-After'], maxAge: 3_600 };
  };

  #isListed(origin: string): boolean {
    return this.#allowed.has('*') || this.#allowed.has(origin);
  }
}

/** Whether the page came from the server itself. A proxy may have taken TLS off, so the scheme does not count. */
function isSame(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: own } = new URL(origin);
  const called = `${protocol}//${host}`;
  return own !== '' && URL.canParse(called) && new URL(called).host === own;
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
