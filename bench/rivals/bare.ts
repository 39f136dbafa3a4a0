/**
 * The limit: bare node:http and bare `ws`. There is no GraphQL; it knows the documents of the benchmarks by their
 * names, and the rest of the protocols as far as the load generator speaks them. Each delta is made into one string for
 * each selection, and the id of the operation is spliced in for each socket. Run by `bench/servers.ts`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { JsonObject } from '../../src/delta/json.ts';
import type { Selection } from '../load/documents.ts';
import { Contexts, Delta, type First } from './contexts.ts';

interface Operation {
  readonly operationName: string;
  readonly variables: {
    readonly id: string;
    readonly state: JsonObject;
    readonly changes: JsonObject;
    readonly clientVersion?: number;
    readonly clientEpoch?: string;
  };
}

interface Subscriber {
  readonly socket: WebSocket;
  /** Its messages up to the payload. */
  readonly head: string;
}

const contexts = new Contexts();
/** By context, then by selection. */
const subscribers = new Map<string, Map<string, Set<Subscriber>>>();

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => respond(request, response, Buffer.concat(chunks).toString()));
});

function respond({ method }: IncomingMessage, response: ServerResponse, body: string): void {
  const text = Buffer.from(method === 'POST' ? JSON.stringify({ data: answer(JSON.parse(body) as Operation) }) : '');
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
  response.end(text);
}

function answer({ operationName, variables: { id, state, changes } }: Operation): object {
  switch (operationName) {
    case 'Read': {
      const context = contexts.get(id);
      if (context === undefined) return { context: null };
      const { epoch, version, insertedAt } = context;
      return { context: { id, epoch, version, state: context.state, insertedAt } };
    }
    case 'Set':
      return { setContext: { __typename: 'SetContextPayload', version: contexts.set(id, state).version } };
    case 'Update': {
      const done = contexts.update(id, changes);
      if (done === undefined) return { updateContext: { __typename: 'ContextNotFoundError', message: id } };
      publish(done.event);
      const { version } = done;
      return { updateContext: { __typename: 'UpdateContextPayload', contextId: id, version, changed: true } };
    }
    default:
      return {};
  }
}

function publish(event: Delta): void {
  for (const [selection, group] of subscribers.get(event.contextId) ?? []) {
    const tail = tailOf(event, selection);
    for (const { socket, head } of group) socket.send(head + tail);
  }
}

/** A message from its payload on. */
function tailOf(event: Delta | First, selection: string): string {
  const { __typename, contextId, epoch, version } = event;
  const contextChanged = { __typename, contextId, epoch, version, ...partOf(event, selection) };
  return `${JSON.stringify({ data: { contextChanged } })}}`;
}

function partOf(event: Delta | First, selection: string): object {
  if (!(event instanceof Delta)) {
    return event.__typename === 'FullContext' ? { context: { state: event.context.state } } : {};
  }
  const { fromVersion, changes, insertedAt, origin } = event;
  // The load generator knows no other names.
  switch (selection as Selection) {
    case 'Changes':
      return { fromVersion, changes: changes.map(({ path, action, ...rest }) => ({ path, action, ...valueOf(rest) })) };
    case 'JsonPatch':
      return { fromVersion, insertedAt, jsonPatch: event.jsonPatch };
    case 'MergePatch':
      return { fromVersion, origin, mergePatch: event.mergePatch };
    case 'Everything':
      return { fromVersion, insertedAt, origin, changes };
  }
}

function valueOf(change: object): object {
  return { value: 'value' in change ? change.value : null };
}

new WebSocketServer({
  server,
  perMessageDeflate: false,
  handleProtocols: () => 'graphql-transport-ws',
}).on('connection', (socket: WebSocket) => {
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => {
    // The load generator sends nothing else.
    const { type, id, payload } = JSON.parse(data.toString()) as { type: string; id: string; payload: Operation };
    if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else if (type === 'subscribe') subscribe(socket, id, payload);
  });
});

function subscribe(socket: WebSocket, operationId: string, { operationName, variables }: Operation): void {
  const subscriber = { socket, head: `{"id":"${operationId}","type":"next","payload":` };
  const bySelection = subscribers.get(variables.id) ?? new Map<string, Set<Subscriber>>();
  const group = bySelection.get(operationName) ?? new Set();
  subscribers.set(variables.id, bySelection.set(operationName, group.add(subscriber)));
  socket.once('close', () => group.delete(subscriber));
  socket.send(subscriber.head + tailOf(contexts.sync(variables.id, variables), operationName));
}

server.listen(Number(process.env['PORT']), '127.0.0.1');
