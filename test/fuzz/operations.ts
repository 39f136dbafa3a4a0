/** GraphQL operations over well-formed HTTP, event streams and WebSockets: what the documents say is what is odd. */
import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { Connection } from './connection.ts';
import { type Document, document } from './documents.ts';
import { judgeMessage } from './frames.ts';
import { judgeStream } from './http.ts';
import { readAnswers } from './http-answers.ts';
import { patienceMs, type Stage, type Target } from './target.ts';
import { anything } from './values.ts';
import { frameBytes, type Heard, opcodes, readFrames } from './websocket-frames.ts';

const ways = ['post', 'post', 'get', 'stream', 'websocket'] as const;

/** One operation, and how it is sent. */
export interface OperationInput extends Document {
  readonly way: (typeof ways)[number];
  readonly authorization: string | undefined;
  /** JSON; undefined: none are sent. */
  readonly extensions: string | undefined;
}

/** Operations. */
export const operations: Target<OperationInput> = {
  maxBatch: 48,
  inputs: (credentials) =>
    fc
      .record({
        document,
        way: fc.constantFrom(...ways),
        authorization: fc.constantFrom(...credentials),
        extensions: fc.oneof(
          { weight: 9, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: anything.map(({ json }) => json) },
        ),
      })
      .map(({ document: { query, variables, operationName }, ...how }) => ({
        query,
        variables,
        operationName,
        ...how,
      })),
  send: async (input, stage) => {
    switch (input.way) {
      case 'post':
      case 'get':
        return ask(input, stage);
      case 'stream':
        return follow(input, stage);
      case 'websocket':
        return overWebSocket(input, stage);
    }
  },
};

function bodyOf({ query, variables, operationName, extensions }: OperationInput): string {
  const name = operationName === undefined ? '' : `,"operationName":${JSON.stringify(operationName)}`;
  const more = extensions === undefined ? '' : `,"extensions":${extensions}`;
  return `{"query":${JSON.stringify(query)},"variables":${variables}${name}${more}}`;
}

function requestOf(input: OperationInput, accept: string): Buffer {
  const headers = [
    'Host: localhost',
    `Accept: ${accept}`,
    'Connection: close',
    ...(input.authorization === undefined ? [] : [`Authorization: ${input.authorization}`]),
  ];
  // Of what a URL can hold: 16 KiB with the headers.
  const search = new URLSearchParams({ query: input.query, variables: input.variables });
  if (input.operationName !== undefined) search.set('operationName', input.operationName);
  if (input.extensions !== undefined) search.set('extensions', input.extensions);
  if (input.way === 'get' && String(search).length < 14_000) {
    return Buffer.from(`GET /graphql?${String(search)} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  }
  const body = Buffer.from(bodyOf(input));
  const all = [...headers, 'Content-Type: application/json', `Content-Length: ${body.length}`];
  return Buffer.concat([Buffer.from(`POST /graphql HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`), body]);
}

async function ask(input: OperationInput, { victim, judge }: Stage): Promise<void> {
  const connection = await Connection.open(victim.port);
  await connection.write([requestOf(input, 'application/graphql-response+json')]);
  const end = await connection.leave('wait');
  if (end === 'open') return judge.blame('no answer');
  const answers = readAnswers(connection.heard, { isCut: end !== 'ended', hasHead: false });
  // Some are not let in.
  if (answers.length === 0) judge.count('refused');
  for (const { status, headers, body } of answers) {
    judge.status(status);
    if (headers.get('content-type')?.startsWith('text/event-stream') === true) judgeStream(body, judge);
    else if (body !== '') judge.json('http', body);
  }
}

/** Until the first result, or the end. */
async function follow(input: OperationInput, { victim, judge }: Stage): Promise<void> {
  const connection = await Connection.open(victim.port);
  await connection.write([requestOf(input, 'text/event-stream')]);
  const deadlineMs = performance.now() + patienceMs;
  const isAnswered = () => connection.isOver || /\ndata: [^\n]+\n\n/.test(connection.heard.toString('latin1'));
  while (!isAnswered() && performance.now() < deadlineMs) await connection.hear(200);
  const isIncomplete = !isAnswered();
  const end = await connection.leave(connection.isOver ? 'end' : 'destroy');
  if (isIncomplete) judge.blame('no answer on a stream');
  const [answer] = readAnswers(connection.heard, { isCut: end !== 'ended', hasHead: false });
  if (answer === undefined) return judge.count('refused');
  judge.status(answer.status);
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (isStream) judgeStream(answer.body, judge);
  else if (answer.body !== '') judge.json('http', answer.body);
}

async function overWebSocket(input: OperationInput, { victim, judge }: Stage): Promise<void> {
  const connection = await Connection.open(victim.port);
  const hello = [
    'GET /graphql HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: graphql-transport-ws',
  ];
  const params = input.authorization === undefined ? {} : { authorization: input.authorization };
  const id = randomUUID();
  const texts = [
    JSON.stringify({ type: 'connection_init', payload: params }),
    `{"id":"${id}","type":"subscribe","payload":${bodyOf(input)}}`,
  ];
  await connection.write([Buffer.from(`${hello.join('\r\n')}\r\n\r\n`)]);
  await connection.hear();
  await connection.write([textFrame(texts[0] ?? '')]);
  await connection.hear();
  await connection.write([textFrame(texts[1] ?? '')]);
  const deadlineMs = performance.now() + patienceMs;
  // A close waits for ours, which never comes.
  const isAnswered = () =>
    connection.isOver ||
    framesOf(connection.heard)?.some((one) => one.kind === 'close' || (one.kind === 'text' && one.text.includes(id)));
  while (isAnswered() !== true && performance.now() < deadlineMs) await connection.hear(200);
  if (isAnswered() !== true) judge.blame('no answer on a WebSocket');
  await connection.leave('destroy');
  const heard = framesOf(connection.heard);
  if (heard === undefined) return judge.count('not upgraded');
  for (const one of heard) {
    if (one.kind === 'text') judgeMessage(one.text, judge);
    else if (one.kind === 'close') judge.closeCode(one.code, one.reason);
  }
}

/** Undefined: it did not become a WebSocket. */
function framesOf(bytes: Buffer): readonly Heard[] | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (bytes.toString('latin1', 0, 12) !== 'HTTP/1.1 101' || end < 0) return undefined;
  return readFrames(bytes.subarray(end + 4));
}

function textFrame(text: string): Buffer {
  const payload = Buffer.from(text).toString('latin1');
  return Buffer.from(frameBytes({ fin: true, rsv: 0, opcode: opcodes.text, isMasked: true, payload }), 'latin1');
}
