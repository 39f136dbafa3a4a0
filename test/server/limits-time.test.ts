import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type RunningApp, startApp, stopApps } from '../support/app.ts';
import { soon } from '../support/wait.ts';
import { besideFollower } from './limits-stage.ts';
import { RawWebSocket } from './raw-websocket.ts';

afterEach(() => stopApps());

/** Sends this much and no more. Resolves with what comes back when the server has closed the connection. */
async function sendAndWait({ port }: RunningApp, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk;
  });
  socket.write(text);
  await soon('the server closes the connection', once(socket, 'close'));
  return heard;
}

describe('a client that does not go on is cut off', () => {
  test.each([
    ['in the middle of the headers', 'POST /graphql HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
    [
      'in the middle of the body',
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
    ],
    [
      'between two chunks of the body',
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n',
    ],
    [
      'in the middle of an upgrade',
      'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websock',
    ],
    ['before it began', ''],
  ])('%s, and others are served', async (_where, text) => {
    const server = await startApp({ requestTimeoutMs: 100 });
    expect(await besideFollower(server, () => sendAndWait(server, text))).toMatch(/^HTTP\/1.1 408 /);
    expect(server.logger.errors).toEqual([]);
  });

  test('after opening a WebSocket, with 4408, and others are served', async () => {
    const server = await startApp({ connectionInitTimeoutMs: 100 });
    const { code } = await besideFollower(server, async () => {
      const socket = await RawWebSocket.open(server.webSocketUrl);
      return soon('the close', socket.closed);
    });
    expect(code).toBe(4408);
  });
});

test('an answer may take longer than a request', async () => {
  const server = await startApp({ requestTimeoutMs: 50 });
  const query = encodeURIComponent('subscription { contextChanged(id: "c") { version } }');
  const { body } = await fetch(`${server.url}?query=${query}`, { headers: { accept: 'text/event-stream' } });
  if (body === null) throw new Error('no stream');
  // A client that is cut off in between tells that the time is over.
  await sendAndWait(server, 'GET ');
  await server.app.chord.setContext('c', { n: 1 });
  let text = '';
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString();
    if (text.includes('"version":1')) break;
  }
  expect(text).toContain('"version":1');
});
