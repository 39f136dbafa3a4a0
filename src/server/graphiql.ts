/**
 * GraphiQL, served from this package alone: no request leaves the operator's network.
 *
 * The page holds its scripts and styles, 9 MB of text. So it is built when the first browser asks, compressed once for
 * each encoding, and kept; a browser that has it is told so by its tag.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'graphql-yoga';

/** Best first. */
const encodings = ['br', 'gzip', 'identity'] as const;
type Encoding = (typeof encodings)[number];

interface Page {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly tag: string;
}

/** How the page subscribes. What is entered as headers it sends by event streams, and not by WebSocket. */
export type GraphiQLProtocol = 'WS' | 'SSE';

/** Answers a browser that opens the endpoint, also with the `?query=` that GraphiQL keeps in its address. */
export function useGraphiQL(endpoint: string, protocol: GraphiQLProtocol): Plugin {
  let html: Promise<string> | undefined;
  const pages = new Map<Encoding, Promise<Page>>();
  const pageIn = (encoding: Encoding): Promise<Page> => {
    html ??= renderPage(protocol);
    const page = pages.get(encoding) ?? html.then((text) => encode(text, encoding));
    pages.set(encoding, page);
    return page;
  };
  return {
    onRequest: async ({ request, url, fetchAPI, endResponse }) => {
      if (url.pathname !== endpoint || !isFromBrowser(request)) return;
      const encoding = preferred(request.headers.get('accept-encoding'));
      const { body, tag } = await pageIn(encoding);
      const headers = {
        'content-type': 'text/html; charset=utf-8',
        ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
        'content-security-policy': contentSecurityPolicy(url.host),
        'cache-control': 'no-cache',
        etag: tag,
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        vary: 'accept, accept-encoding',
      };
      if (request.headers.get('if-none-match')?.includes(tag) === true) {
        endResponse(new fetchAPI.Response(null, { status: 304, headers }));
      } else if (request.method === 'HEAD') {
        endResponse(new fetchAPI.Response(null, { headers: { ...headers, 'content-length': String(body.length) } }));
      } else {
        endResponse(new fetchAPI.Response(body, { headers }));
      }
    },
  };
}

/** Whether somebody looks with a browser, and wants a page. */
export function isFromBrowser({ method, headers }: Request): boolean {
  return (method === 'GET' || method === 'HEAD') && headers.get('accept')?.includes('text/html') === true;
}

function preferred(accepted: string | null): Encoding {
  const items = (accepted ?? '').toLowerCase().split(',');
  const names = items.filter((item) => !/;\s*q=0(\.0*)?\s*$/.test(item)).map((item) => item.split(';', 1)[0]?.trim());
  return encodings.find((encoding) => names.includes(encoding)) ?? 'identity';
}

async function encode(html: string, encoding: Encoding): Promise<Page> {
  const digest = createHash('sha256').update(html).digest('base64url');
  return { body: new Uint8Array(await compress[encoding](html)), tag: `"${digest.slice(0, 22)}-${encoding}"` };
}

const compress: Readonly<Record<Encoding, (html: string) => Promise<Buffer>>> = {
  br: (html) => promisify(brotliCompress)(html, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: (html) => promisify(gzip)(html),
  identity: async (html) => Buffer.from(html),
};

async function renderPage(subscriptionsProtocol: GraphiQLProtocol): Promise<string> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const page = renderGraphiQL({
    title: 'Chord',
    subscriptionsProtocol,
    favicon: 'data:,',
    defaultTabs: [followExample, writeExample, listExample].map((query) => ({ query, variables: null, headers: null })),
  });
  return page.replace('<div id="root">', (root) => `<script>${rememberFirstTab}</script>${root}`);
}

function contentSecurityPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'unsafe-inline' blob:",
    "style-src 'unsafe-inline'",
    "img-src data: 'self'",
    'font-src data:',
    `connect-src 'self' ws://${host} wss://${host}`,
    'worker-src blob:',
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "form-action 'none'",
  ].join('; ');
}

const followExample = `# Run this, and write in a second window: leaving
# the tab ends it. Each event replaces the last.
subscription Follow {
  contextChanged(id: "call:123") {
    __typename
    epoch
    version
    ... on FullContext {
      reason
      context { state }
    }
    ... on Delta {
      fromVersion
      changes { action path value }
    }
    ... on ContextGone { cause }
  }
}
`;

const writeExample = `# Run these while the subscription of the first tab
# is open in another window.
mutation Create {
  setContext(
    id: "call:123"
    state: { status: "ringing", from: "Ada", notes: {} }
  ) {
    __typename
    ... on SetContextPayload { version changed }
    ... on Error { message }
  }
}

mutation Answer {
  updateContext(
    id: "call:123"
    changes: {
      status: "talking"
      notes: { topic: "bill" }
    }
  ) {
    __typename
    ... on UpdateContextPayload { version changed }
    ... on Error { message }
  }
}
`;

const listExample = `# What is there, in the order of the ids.
query List {
  contexts(limit: 20) {
    totalCount
    hasNextPage
    nodes {
      id
      version
      insertedAt
      expiresAt
      state
    }
  }
}
`;

/** GraphiQL remembers the query in front once it was edited; until then every reload would open another, empty tab. */
const rememberFirstTab = `localStorage['graphiql:query'] ??= ${JSON.stringify(followExample)};`;
