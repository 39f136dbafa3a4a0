import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, clientOf, trustedNetworks } from '../../src/server/http/forwarded.ts';
import { startApp, stopApps } from '../support/app.ts';
import { until } from '../support/wait.ts';

afterEach(stopApps);

const networks = ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', 'loopback'];

/** What `clientOf` makes of a request from that address. */
function seen(
  remoteAddress: string | undefined,
  headers: Readonly<Record<string, string>>,
  {
    trusted = networks,
    encrypted = false,
  }: { readonly trusted?: readonly string[]; readonly encrypted?: boolean } = {},
): Client {
  const request = { headers: { host: 'inside:4000', ...headers }, socket: { remoteAddress, encrypted } };
  return clientOf(request, trustedNetworks(trusted));
}

describe('the address', () => {
  test.each([
    ['of who connected, when nobody stands between', '203.0.113.7', undefined, '203.0.113.7'],
    ['of who connected, whatever an untrusted one says', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
    ['that a trusted proxy was asked from', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    [
      'that the outermost of several trusted ones was asked from',
      '127.0.0.1',
      '198.51.100.1, 192.0.2.1, 10.9.9.9',
      '198.51.100.1',
    ],
    [
      'next to the trusted ones, not what the client wrote before it',
      '10.1.2.3',
      '9.9.9.9, 10.0.0.1, 198.51.100.1',
      '198.51.100.1',
    ],
    ['next to one that is not trusted', '10.1.2.3', '198.51.100.1, 192.0.2.2, 10.0.0.1', '192.0.2.2'],
    ['of the first of all, when every hop is trusted', '10.1.2.3', '10.0.0.5, 10.0.0.6', '10.0.0.5'],
    ['of the proxy, when it says nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['of the proxy, when what it says is no address', '10.1.2.3', '198.51.100.1, unknown', '10.1.2.3'],
    ['that was checked last, before what is no address', '10.1.2.3', '9.9.9.9, _hidden, 10.0.0.1', '10.0.0.1'],
    ['of the proxy, before an empty entry', '10.1.2.3', '198.51.100.1,', '10.1.2.3'],
    ['without its port', '10.1.2.3', '198.51.100.1:50123', '198.51.100.1'],
    ['as IPv6', '2001:db8::9', '2001:db9::1', '2001:db9::1'],
    ['as IPv6, without brackets and port', '10.1.2.3', '[2001:db9::1]:443', '2001:db9::1'],
    ['as IPv6, without a zone', '10.1.2.3', 'fe80::1%eth0', 'fe80::1'],
    ['of IPv4, from a socket of both kinds', '::ffff:10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1'],
    ['of a connection that is gone', undefined, '198.51.100.1', 'unknown'],
  ])('is the one %s', (_whose, from, forwardedFor, address) => {
    const headers: Record<string, string> = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor };
    expect(seen(from, headers).address).toBe(address);
  });

  test('is looked for behind 32 proxies and no more', () => {
    const hops = ['198.51.100.1', ...Array.from({ length: 32 }, (_, index) => `10.0.0.${index}`)];
    expect(seen('10.1.2.3', { 'x-forwarded-for': hops.slice(0, 32).join(',') }).address).toBe('198.51.100.1');
    expect(seen('10.1.2.3', { 'x-forwarded-for': hops.join(',') }).address).toBe('10.0.0.0');
  });

  test.each([',', '1.1.1.1,', '[', '1'])('is the one of the proxy, when that writes a lot of %j', (text) => {
    const many = text.repeat(16_000 / text.length);
    const headers = { 'x-forwarded-for': many, 'x-forwarded-host': many, 'x-forwarded-proto': many };
    expect(seen('10.1.2.3', headers)).toEqual({ address: '10.1.2.3', host: 'inside:4000', isSecure: false });
  });
});

describe('host and scheme', () => {
  test.each([
    [
      'are those of the request',
      '203.0.113.7',
      { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil' },
      'inside:4000',
      false,
    ],
    [
      'are those that a trusted proxy tells',
      '10.1.2.3',
      { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'chord.example:8443' },
      'chord.example:8443',
      true,
    ],
    [
      'are those of the nearest proxy',
      '10.1.2.3',
      { 'x-forwarded-proto': 'http, HTTPS', 'x-forwarded-host': 'evil, chord.example' },
      'chord.example',
      true,
    ],
    ['may be those of a WebSocket', '10.1.2.3', { 'x-forwarded-proto': 'wss' }, 'inside:4000', true],
    [
      'stay, where the proxy tells no host',
      '10.1.2.3',
      { 'x-forwarded-proto': 'http', 'x-forwarded-host': 'a b' },
      'inside:4000',
      false,
    ],
    ['may be an address', '10.1.2.3', { 'x-forwarded-host': '[2001:db8::1]:443' }, '[2001:db8::1]:443', false],
  ])('%s', (_what, from, headers, host, isSecure) => {
    expect(seen(from, headers)).toMatchObject({ host, isSecure });
  });

  test('by TLS without a word of a proxy it is secure, and with its word what that says', () => {
    expect(seen('10.1.2.3', {}, { encrypted: true }).isSecure).toBe(true);
    expect(seen('203.0.113.7', { 'x-forwarded-proto': 'http' }, { encrypted: true }).isSecure).toBe(true);
    expect(seen('10.1.2.3', { 'x-forwarded-proto': 'http' }, { encrypted: true }).isSecure).toBe(false);
  });
});

describe('whom to trust', () => {
  test.each([
    [[], '127.0.0.1', false],
    [['loopback'], '127.8.8.8', true],
    [['loopback'], '::1', true],
    [['loopback'], '10.0.0.1', false],
    [['private'], '172.31.255.255', true],
    [['private'], '172.32.0.0', false],
    [['private'], '192.168.1.1', true],
    [['private'], 'fd12::1', true],
    [['private'], '127.0.0.1', false],
    [['2001:db8::/33'], '2001:db8:8000::1', false],
    [['192.0.2.7/32'], '192.0.2.7', true],
    [['0.0.0.0/0'], '198.51.100.1', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
  ])('%j and %s: %j', (trusted, from, isTrusted) => {
    const { address } = seen(from, { 'x-forwarded-for': '198.51.100.9' }, { trusted });
    expect(address).toBe(isTrusted ? '198.51.100.9' : from);
  });
});

async function ask(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{ "query": "{ __typename }" }',
  });
  return answer.status;
}

describe('behind a proxy that calls the server by another name', () => {
  const page = 'https://chord.example.com';
  const forwarded = { 'x-forwarded-host': 'chord.example.com', 'x-forwarded-proto': 'https' };
  test('its own pages are let in, when the proxy is trusted', async () => {
    const { url } = await startApp({ trustedProxies: ['loopback'] });
    expect(await ask(url, { origin: page, ...forwarded })).toBe(200);
    expect(await ask(url, { origin: 'https://evil.example', ...forwarded })).toBe(403);
    // Anybody on the way could have written it.
    expect(await ask(url, { origin: 'http://chord.example.com', ...forwarded })).toBe(403);
  });

  test('the log says where requests and WebSockets come from', async () => {
    const { url, webSocketUrl, logger } = await startApp({ trustedProxies: ['loopback'] });
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    await ask(url, headers);
    const socket = new WebSocket(webSocketUrl, 'graphql-transport-ws', { headers });
    await once(socket, 'open');
    socket.close();
    const addresses = () =>
      logger.lines
        .filter(({ message }) => message === 'request' || message === 'websocket')
        .map(({ message, fields }) => [message, fields['clientAddress']]);
    await until('both lines', () => addresses().length === 2);
    expect(addresses()).toEqual([
      ['request', '198.51.100.7'],
      ['websocket', '198.51.100.7'],
    ]);
  });

  test('nobody is believed who is not', async () => {
    const { url } = await startApp();
    expect(await ask(url, { origin: page, ...forwarded })).toBe(403);
  });
});
