import type { IncomingMessage, ServerResponse } from 'node:http';

/** What the health endpoints need to know. */
export interface Health {
  /** Resolves when the store answers. */
  ping(): Promise<void>;
  readonly isLeaving: boolean;
}

/**
 * Answers `/live` (the process works) and `/ready` (it can serve: send it traffic).
 *
 * @returns false when the request is for something else.
 */
export function handleHealth(request: IncomingMessage, response: ServerResponse, health: Health): boolean {
  // What most requests are for.
  if (request.url === '/graphql') return false;
  const path = request.url?.split('?', 1)[0];
  if (path === '/live') {
    answer(response, 200, { status: 'ok' });
    return true;
  }
  if (path !== '/ready') return false;
  if (health.isLeaving) {
    answer(response, 503, { status: 'draining' });
    return true;
  }
  health.ping().then(
    () => answer(response, 200, { status: 'ok' }),
    () => answer(response, 503, { status: 'unavailable', dependency: 'backend' }),
  );
  return true;
}

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(text);
}
