/** What the tests of traces share: requests, and the traces that were sent of them. */
import { askOn } from '../server/limits-stage.ts';
import { RawWebSocket } from '../server/raw-websocket.ts';
import { type GraphQLResult, type RunningApp, stopApp } from '../support/app.ts';
import type { Collector, SentSpan } from './collector.ts';

/** Of a client that is in a trace. */
export const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
export const remote = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate: 'vendor=opaque' };
/** Of a client that is in a trace of which nothing is kept. */
export const notTraced = { traceparent: `00-${traceId}-00f067aa0ba902b7-00` };
/** An operation with a write. */
export const noteIt = 'mutation Note { setContext(id: "c", state: { n: 1 }) { __typename } }';

/** By HTTP. */
export async function post(
  url: string,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<GraphQLResult> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as GraphQLResult;
}

/** On a WebSocket of its own. */
export async function ask({ webSocketUrl }: RunningApp, payload: object): Promise<GraphQLResult> {
  const socket = await RawWebSocket.open(webSocketUrl);
  await socket.init();
  const result = await askOn(socket, 'one', payload);
  socket.socket.close();
  return result;
}

/** Stops the app, which sends what is left. */
export async function sent({ app }: RunningApp, collector: Collector): Promise<readonly SentSpan[]> {
  await stopApp(app);
  return collector.spans;
}
