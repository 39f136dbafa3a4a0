import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Outbox } from '../../../src/server/http/outbox.ts';
import { soon, until } from '../../support/wait.ts';

const unexpected = (error: unknown): void => {
  throw error;
};

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** Runs a server and a client that sends it bytes. */
async function serving(listener: RequestListener, bytes: string) {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await soon('the server', once(server, 'listening'));
  // A TCP server has an address of this shape.
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write(bytes);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString();
  });
  return {
    socket,
    answers: () => heard.match(/HTTP\/1\.1 200/g)?.length ?? 0,
    [Symbol.dispose]() {
      socket.destroy();
      server.close();
    },
  };
}

describe('answers', () => {
  test('wait for the end of the turn, or until they are many', async () => {
    const outbox = new Outbox();
    const sent: boolean[] = [];
    using client = await serving((_request, response) => {
      outbox.add({ response, headers: { 'content-length': 2 }, body: '{}', onError: unexpected });
      sent.push(response.headersSent);
    }, request.repeat(100));
    await until('all answers', () => client.answers() === 100);
    expect(sent.indexOf(true)).toBe(63);
    expect(sent.filter(Boolean)).toHaveLength(1);
  });

  test('of clients that have left are not sent, and keep nobody from hearing theirs', async () => {
    const outbox = new Outbox();
    const left: ServerResponse[] = [];
    const listener: RequestListener = ({ url }, response) => {
      if (url === '/leaves') {
        response.destroy();
        left.push(response);
      }
      outbox.add({ response, headers: { 'content-length': 2 }, body: '{}', onError: unexpected });
    };
    using client = await serving(listener, request);
    await until('an answer', () => client.answers() === 1);
    using gone = await serving(listener, request.replace('/', '/leaves'));
    await until('it has left', () => left.length === 1);
    await turn();
    client.socket.write(request);
    await until('another answer', () => client.answers() === 2);
    expect(left.map(({ headersSent }) => headersSent)).toEqual([false]);
    expect(gone.answers()).toBe(0);
  });

  test('that cannot be sent say so, and the others are sent all the same', async () => {
    const outbox = new Outbox();
    const problems: unknown[] = [];
    using client = await serving(
      ({ url }, response) => {
        const headers = url === '/broken' ? { broken: 'line\nbreak' } : { 'content-length': 2 };
        const onError = (error: unknown) => {
          problems.push(error);
          response.end();
        };
        outbox.add({ response, headers, body: '{}', onError });
      },
      `${request.replace('/', '/broken')}${request}`,
    );
    await until('the other answer', () => client.answers() === 2);
    expect(problems).toEqual([expect.objectContaining({ code: 'ERR_INVALID_CHAR' })]);
  });
});
