import type { IncomingMessage, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';

/**
 * Answers what is not for GraphQL: a target that is none, the root, and every other path.
 *
 * @returns false when the request is for GraphQL.
 */
export function handleElsewhere(request: IncomingMessage, response: ServerResponse, endpoint: string): boolean {
  const { url, headers } = request;
  if (url === endpoint && headers.host !== undefined && hosts.memo(headers.host)) return false;
  if (!URL.canParse(request.url ?? '', `http://${request.headers.host ?? 'localhost'}`)) {
    response.writeHead(400, { 'content-type': 'text/plain' }).end('The request target or the Host header is no URL.');
    return true;
  }
  if (request.url === '/') {
    response.writeHead(302, { location: endpoint }).end();
    return true;
  }
  if (request.url?.split('?', 1)[0] === endpoint) return false;
  response.writeHead(404, { 'content-type': 'text/plain' }).end(`There is only ${endpoint}, /live and /ready.`);
  return true;
}

/** Whether a `Host` can be one. Clients say the same each time, and the parser takes a µs. */
const hosts = new LRUCache<string, boolean>({ max: 100, memoMethod: (host) => URL.canParse(`http://${host}`) });
