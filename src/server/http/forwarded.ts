/**
 * Who really asks, and by which name, when proxies stand before the server.
 *
 * `X-Forwarded-For`, `-Proto` and `-Host` are what anybody can write. So they are believed from addresses that the
 * operator trusts, and from nobody else. Each proxy adds, at the end of X-Forwarded-For, the address that it was asked
 * from: read from there, the first that is no trusted proxy is the client, and what stands before it is the client's own
 * invention. `Forwarded` (RFC 7239) is not read: with two sources there would be one that the proxy forgets to clean.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** Who sent a request, as far as that can be known. */
export interface Client {
  /** An IP address, for people to read; `unknown` when the connection is gone already. */
  readonly address: string;
  /** The host, and port if it is not the usual one, that the client called; undefined: it did not say. */
  readonly host: string | undefined;
  /** Whether it came by TLS. False also when an untrusted proxy took that off. */
  readonly isSecure: boolean;
}

/** What is looked at of a request. */
export type Forwarded = Pick<IncomingMessage, 'headers'> & {
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean };
};

/** More proxies in a row than anybody has; what says that there are more is not looked at. */
const maxHops = 32;

/**
 * The client of a request, seen through the proxies that are trusted.
 *
 * @param trusted what `trustedNetworks` made.
 */
export function clientOf({ headers, socket }: Forwarded, trusted: BlockList): Client {
  const peer = plainAddress(socket.remoteAddress ?? '');
  const direct = { address: peer ?? 'unknown', host: headers.host, isSecure: socket.encrypted === true };
  // Asked before the list, which takes several µs to look an address up: most requests name no proxy.
  if (peer === undefined || !forwardedHeaders.some((name) => headers[name] !== undefined)) return direct;
  if (!isIn(trusted, peer)) return direct;
  const scheme = lastOf(headers['x-forwarded-proto'])?.toLowerCase();
  const host = lastOf(headers['x-forwarded-host']);
  return {
    address: firstUntrusted(peer, textOf(headers['x-forwarded-for']), trusted),
    host: host !== undefined && isHost(host) ? host : direct.host,
    isSecure: scheme === undefined ? direct.isSecure : scheme === 'https' || scheme === 'wss',
  };
}

const forwardedHeaders = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'] as const;

/** @param networks addresses, ranges like `10.0.0.0/8`, `loopback` and `private` (RFC 1918, RFC 4193). */
export function trustedNetworks(networks: readonly string[]): BlockList {
  const trusted = new BlockList();
  for (const network of networks.flatMap((name) => named[name] ?? [name])) {
    const [address = '', bits] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  return trusted;
}

const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

function firstUntrusted(peer: string, forwardedFor: string, trusted: BlockList): string {
  let client = peer;
  for (const hop of forwardedFor.split(',').slice(-maxHops).toReversed()) {
    const address = plainAddress(hop.trim());
    // What comes before an entry that is no address was not checked by anybody.
    if (address === undefined) return client;
    client = address;
    if (!isIn(trusted, address)) return client;
  }
  return client;
}

/** Without port, brackets, zone, and the way that IPv6 writes IPv4. Undefined: it is no address. */
function plainAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text) ?? [];
  const [, beforePort] = /^([\d.]+):\d{1,5}$/.exec(text) ?? [];
  const address = (bracketed ?? beforePort ?? text).replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? undefined : address;
}

function isIn(networks: BlockList, address: string): boolean {
  return networks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Of several values the one of the nearest proxy. */
function lastOf(header: string | string[] | undefined): string | undefined {
  return textOf(header).split(',').at(-1)?.trim() || undefined;
}

/** Node joins most headers that come several times, and lists others. */
function textOf(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join(',') : (header ?? '');
}

function isHost(text: string): boolean {
  return text.length <= 255 && /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(text);
}
