import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Origins, OwnNames } from '../../src/server/http/origin.ts';
import { type RunningApp, startApp, stopApps } from '../support/app.ts';
import { until } from '../support/wait.ts';
import { besideFollower } from './limits-stage.ts';

afterEach(() => stopApps());

describe('a page of', () => {
  const listed = ['https://app.example.com', 'http://localhost:5173'];
  test.each([
    ['no browser', undefined, 'chord.example.com', true],
    ['the server itself', 'http://chord.example.com', 'chord.example.com', true],
    ['the server itself, behind what takes TLS off', 'https://chord.example.com', 'chord.example.com', true],
    ['the server itself, with a port', 'http://127.0.0.1:4000', '127.0.0.1:4000', true],
    [
      'the server itself, with a port that goes without saying',
      'https://chord.example.com',
      'chord.example.com:443',
      true,
    ],
    ['the server itself, in another case', 'https://chord.example.com', 'Chord.Example.com', true],
    ['a listed origin', 'https://app.example.com', 'chord.example.com', true],
    ['a listed origin, by another scheme', 'http://app.example.com', 'chord.example.com', false],
    ['another port', 'http://127.0.0.1:4001', '127.0.0.1:4000', false],
    ['another site', 'https://evil.example', 'chord.example.com', false],
    ['a site that begins so', 'https://app.example.com.evil.example', 'chord.example.com', false],
    ['a site that ends so', 'https://evil-chord.example.com', 'chord.example.com', false],
    ['a frame without an origin', 'null', 'chord.example.com', false],
    ['nowhere', '', 'chord.example.com', false],
    ['a file', 'file://', '', false],
    ['another site, when nobody says whom it calls', 'https://evil.example', undefined, false],
  ])('%s is let in or not', (_whose, origin, host, isLetIn) => {
    expect(new Origins(listed).admits(origin, { host, isSecure: false })).toBe(isLetIn);
  });

  test('the server itself without TLS is not let in where there is some', () => {
    const origins = new Origins(['http://app.example.com']);
    const called = { host: 'chord.example.com', isSecure: true };
    expect(origins.admits('https://chord.example.com', called)).toBe(true);
    expect(origins.admits('http://chord.example.com', called)).toBe(false);
    // The operator says so.
    expect(origins.admits('http://app.example.com', called)).toBe(true);
  });

  test('any site is let in by *', () => {
    const origins = new Origins(['*']);
    for (const origin of ['https://evil.example', 'null'])
      expect(origins.admits(origin, { host: 'chord.example.com', isSecure: true })).toBe(true);
  });
});

describe('an open server of its own machine is called', () => {
  test.each([
    ['127.0.0.1:4000', true],
    ['127.8.8.8', true],
    ['[::1]:4000', true],
    ['192.168.1.7:4000', true],
    ['localhost:4000', true],
    ['LOCALHOST', true],
    ['localhost.:4000', true],
    ['chord.localhost:4000', true],
    ['app.example.com:4000', true],
    ['chord.internal', true],
    [undefined, true],
    ['evil.example', false],
    ['evil.example:4000', false],
    ['localhost.evil.example', false],
    ['evillocalhost', false],
    ['127.0.0.1.evil.example', false],
    ['evil', false],
    ['', false],
    ['a b', false],
  ])('by %j: %j', (host, isOwn) => {
    expect(new OwnNames('chord.internal', ['https://app.example.com']).admits(host)).toBe(isOwn);
  });

  test('by any name, when any page may use it', () => {
    expect(new OwnNames('127.0.0.1', ['*']).admits('evil.example')).toBe(true);
  });
});

const body = JSON.stringify({ query: 'mutation { setContext(id: "c", state: {}) { __typename } }' });

/** What a browser sends for a page of this origin. */
function postFrom({ url }: RunningApp, origin: string | undefined, headers: Readonly<Record<string, string>> = {}) {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(origin === undefined ? {} : { origin }), ...headers },
    body,
  });
}

async function upgradeFrom({ webSocketUrl }: RunningApp, origin: string | undefined): Promise<number> {
  const socket = new WebSocket(webSocketUrl, 'graphql-transport-ws', origin === undefined ? {} : { origin });
  const status = Promise.race([
    once(socket, 'open').then(() => 101),
    new Promise<number>((resolve) => {
      socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    }),
  ]);
  socket.on('error', () => undefined);
  return status.finally(() => socket.terminate());
}

const ownOrigin = ({ url }: RunningApp) => new URL(url).origin;
const evil = 'https://evil.example';

describe('by default', () => {
  test('a write of a foreign page is refused before it is done, and others are served', async () => {
    const server = await startApp();
    await besideFollower(server, async () => {
      const answer = await postFrom(server, evil);
      expect(answer.status).toBe(403);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    });
    expect(await server.app.chord.getContext('c')).toBeNull();
  });

  test('an event stream for a foreign page is refused', async () => {
    const server = await startApp();
    const query = encodeURIComponent('subscription { contextChanged(id: "c") { version } }');
    const answer = await fetch(`${server.url}?query=${query}`, {
      headers: { accept: 'text/event-stream', origin: evil },
    });
    expect(answer.status).toBe(403);
    expect(server.app.stats().followers).toBe(0);
  });

  test('a WebSocket of a foreign page is refused before the upgrade, and others are served', async () => {
    const server = await startApp();
    await besideFollower(server, async () => {
      expect(await upgradeFrom(server, evil)).toBe(403);
      expect(await upgradeFrom(server, 'null')).toBe(403);
      expect(server.app.stats().webSockets).toBe(1);
    });
  });

  test('pages of the server itself and what is no browser are served', async () => {
    const server = await startApp();
    for (const origin of [undefined, ownOrigin(server)]) {
      expect((await postFrom(server, origin)).status).toBe(200);
      expect(await upgradeFrom(server, origin)).toBe(101);
    }
  });

  test('a preflight of a foreign page gets no permission', async () => {
    const { url } = await startApp();
    const answer = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin: evil,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});

test('pages of a listed origin may read and write, without cookies', async () => {
  const origin = 'https://app.example.com';
  const server = await startApp({ corsOrigins: [origin] });
  const preflight = await fetch(server.url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });
  for (const answer of [preflight, await postFrom(server, origin)]) {
    expect(answer.ok).toBe(true);
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  }
  expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type');
  expect(await upgradeFrom(server, origin)).toBe(101);
  expect((await postFrom(server, evil)).status).toBe(403);
  expect(await upgradeFrom(server, evil)).toBe(403);
});

test('with * every page may', async () => {
  const server = await startApp({ corsOrigins: ['*'] });
  expect((await postFrom(server, evil)).headers.get('access-control-allow-origin')).toBe(evil);
  expect(await upgradeFrom(server, evil)).toBe(101);
});

describe('a request that browsers send without asking', () => {
  const form = new URLSearchParams({ query: 'mutation { setContext(id: "c", state: {}) { __typename } }' }).toString();
  test.each([
    ['text/plain', body, 415],
    ['text/plain;charset=UTF-8', body, 415],
    ['text/plain, application/json', body, 415],
    ['application/x-www-form-urlencoded', form, 415],
    ['application/x-www-form-urlencoded; charset=utf-8', form, 415],
    ['Application/X-WWW-Form-UrlEncoded', form, 415],
    [
      'multipart/form-data; boundary=x',
      `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${body}\r\n--x--`,
      415,
    ],
  ])('does nothing, even without an origin: %s', async (type, text, status) => {
    const server = await startApp();
    const answer = await fetch(server.url, { method: 'POST', headers: { 'content-type': type }, body: text });
    expect(answer.status).toBe(status);
    expect(await server.app.chord.getContext('c')).toBeNull();
  });

  test('does nothing as a GET with a mutation', async () => {
    const server = await startApp();
    const answer = await fetch(`${server.url}?${form}`, { headers: { accept: 'application/json' } });
    expect(answer.status).toBe(405);
    expect(await server.app.chord.getContext('c')).toBeNull();
  });
});

describe('a site whose name points to this machine (DNS rebinding)', () => {
  const site = 'evil.example:4000';

  /** The status that a request by that name gets, with nothing that a browser would not send. */
  async function statusOf({ port }: RunningApp, request: string, headers: readonly string[] = []): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      heard += chunk;
    });
    socket.write([`${request} HTTP/1.1`, `Host: ${site}`, 'Connection: close', ...headers, '', ''].join('\r\n'));
    await until('the answer', () => heard.includes('\r\n\r\n'));
    socket.destroy();
    return heard.slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3);
  }

  const query = encodeURIComponent('{ contexts { nodes { state } } }');
  const write = [
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Origin: http://${site}`,
  ];
  const upgrade = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: graphql-transport-ws',
    `Origin: http://${site}`,
  ];

  test('neither reads nor writes nor follows, and health checks of any name go on', async () => {
    const server = await startApp();
    // To a site without TLS a browser says nothing of where a GET comes from.
    expect(await statusOf(server, `GET /graphql?query=${query}`)).toBe('421');
    expect(await statusOf(server, `GET /graphql?query=${query}`, ['Accept: text/event-stream'])).toBe('421');
    expect(await statusOf(server, 'POST /graphql', write)).toBe('421');
    expect(await statusOf(server, 'GET /graphql', upgrade)).toBe('421');
    expect(await statusOf(server, 'GET /live')).toBe('200');
    expect(await statusOf(server, 'GET /ready')).toBe('200');
  });

  test('is not believed to be forwarded by a proxy of this machine', async () => {
    const server = await startApp({ trustedProxies: ['loopback'] });
    const forwarded = ['X-Forwarded-Host: localhost', 'X-Forwarded-For: 127.0.0.1'];
    expect(await statusOf(server, `GET /graphql?query=${query}`, forwarded)).toBe('421');
  });

  test('is served where its name is listed, or where everybody is asked who they are', async () => {
    const listed = await startApp({ corsOrigins: ['https://evil.example'] });
    expect(await statusOf(listed, `GET /graphql?query=${query}`)).toBe('200');
    const asking = await startApp({ jwtSecret: 'x'.repeat(32) });
    expect(await statusOf(asking, `GET /graphql?query=${query}`)).toBe('401');
  });

  test('is nothing that an open server of many names can tell', async () => {
    const server = await startApp({ host: '0.0.0.0', allowAnonymous: true });
    expect(await statusOf(server, `GET /graphql?query=${query}`)).toBe('200');
  });
});
