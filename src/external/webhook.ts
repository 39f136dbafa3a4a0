/** Contexts over HTTP: every request is a signed POST, retried while that may help and the caller waits. */
import { randomUUID } from 'node:crypto';
import type { Exporter, Provider } from './external.ts';
import { parseRecord, readBounded } from './record.ts';
import { PassingFailure, withRetries } from './retry.ts';
import { exportMessageId, type Message, signatureHeaders } from './signature.ts';

/** Where to, and how it is signed. */
export interface WebhookTarget {
  /** Of http or https. Credentials in it are sent as Basic authorization. */
  readonly url: URL;
  readonly key: Buffer;
}

/** Posts records. Any 2xx says that the record is safe. */
export function createWebhookExporter(target: WebhookTarget): Exporter {
  return {
    name: 'webhook',
    exportContext: async (record, { signal }) => {
      const message = { id: exportMessageId(record), body: JSON.stringify(record) };
      await exchange(target, message, signal, async (response) => {
        await discard(response);
        if (!response.ok) throw refusal(target, response);
      });
    },
  };
}

/** Posts `{ "type": "context.fetch", "id" }`. 200 brings the context, 404 says that there is none. */
export function createWebhookProvider(target: WebhookTarget): Provider {
  return {
    name: 'webhook',
    fetchContext: (id, { signal }) => {
      const message = { id: `fetch_${randomUUID()}`, body: JSON.stringify({ type: 'context.fetch', id }) };
      return exchange(target, message, signal, async (response) => {
        const from = target.url.origin;
        if (response.status === 200)
          return parseRecord(await readBounded(response.body ?? nothing(), from), { id, from });
        await discard(response);
        if (response.status === 404) return null;
        throw refusal(target, response);
      });
    },
  };
}

/** Sends until an answer is taken or refused. */
function exchange<T>(
  target: WebhookTarget,
  message: Message,
  signal: AbortSignal,
  take: (response: Response) => Promise<T>,
): Promise<T> {
  const { url, headers } = withoutCredentials(target.url);
  return withRetries(signal, async () => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'chord',
          ...headers,
          ...signatureHeaders(target.key, message, Date.now()),
        },
        body: message.body,
        redirect: 'manual',
        signal,
      });
      if (response.status < 500) return await take(response);
      await discard(response);
      throw new PassingFailure(`${target.url.origin} answered ${response.status}.`);
    } catch (error) {
      const code = connectionProblem(error);
      if (code === undefined || signal.aborted) throw error;
      throw new PassingFailure(`${target.url.origin} cannot be reached: ${code}.`, { cause: error });
    }
  });
}

/** fetch takes no credentials in a URL, and shows the URL when it says so. */
function withoutCredentials({ href }: URL): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } {
  const url = new URL(href);
  if (url.username === '' && url.password === '') return { url, headers: {} };
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } };
}

/** Names the origin alone: paths and queries often hold a token. */
function refusal({ url }: WebhookTarget, { status }: Response): Error {
  const isRedirect = status >= 300 && status < 400;
  return new Error(`${url.origin} answered ${status}${isRedirect ? '; redirects are not followed' : ''}.`);
}

/** Frees the connection of what is not read. */
async function discard({ body }: Response): Promise<void> {
  // A stream that broke is as free as one that is cancelled.
  await body?.cancel().catch(() => undefined);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const connectionCodes: ReadonlySet<unknown> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
]);

/** The code of a failure between here and there, which fetch wraps; undefined for what another attempt cannot mend. */
function connectionProblem(error: unknown): string | undefined {
  const cause = error instanceof TypeError ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && connectionCodes.has(code) ? code : undefined;
}
