/** Where Redis is, as `redisUrl` says it. */

/** One address. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Standalone, a Sentinel set or a Cluster, and how to log in there. */
export type RedisTarget = (
  | ({ readonly kind: 'standalone' } & Address)
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Address[];
      /** Of the master. */
      readonly name: string;
      readonly sentinelUsername?: string | undefined;
      readonly sentinelPassword?: string | undefined;
    }
  | { readonly kind: 'cluster'; readonly nodes: readonly Address[] }
) & {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly db?: number | undefined;
  readonly tls: boolean;
};

const redisPort = 6379;
const sentinelPort = 26_379;

/**
 * Reads one URL of a server, a Sentinel set or a Cluster, or several of nodes of one Cluster:
 *
 *     redis://[user[:password]@]host[:port][/db]                                    one server
 *     redis+sentinel://[user[:password]@]host[:port],…/name[/db][?sentinelPassword=…]  the master of that name
 *     redis+cluster://[user[:password]@]host[:port],…                               a Cluster
 *
 * With TLS: `rediss`. Names and passwords are percent-encoded.
 *
 * @throws TypeError that names the option redisUrl and never shows a password.
 */
export function parseRedisUrls(urls: readonly string[]): RedisTarget {
  const [first, ...others] = urls.map(parseUrl);
  if (first === undefined) throw new TypeError('redisUrl is empty; expected the URL of a Redis.');
  if (others.length === 0 && first.kind !== 'cluster') return toTarget(first);
  for (const url of [first, ...others]) {
    if (url.kind === 'sentinel') fail('Sentinels are written as one URL, redis+sentinel://host1,host2,…/name');
    const isAlike = url.tls === first.tls && url.username === first.username && url.password === first.password;
    if (!isAlike) fail('the URLs of a Cluster must have the same user, the same password, and all TLS or none');
    if (url.db !== undefined && url.db !== 0) fail('a Cluster has only the database 0');
  }
  const { username, password, tls } = first;
  const nodes = [first, ...others].flatMap(({ addresses }) => addresses);
  return { kind: 'cluster', nodes, username, password, tls };
}

/** Several URLs in one text, separated by commas; a comma that no scheme follows separates hosts within a URL. */
export function splitUrls(text: string): readonly string[] {
  return text.split(/,(?=\s*[a-z+]+:\/\/)/i);
}

/** One URL, taken apart. */
interface Parts {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  readonly addresses: readonly Address[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly name?: string | undefined;
  readonly db?: number | undefined;
  readonly query: ReadonlyMap<string, string>;
}

const kinds: ReadonlyMap<string, Parts['kind']> = new Map([
  ['redis', 'standalone'],
  ['redis+sentinel', 'sentinel'],
  ['redis+cluster', 'cluster'],
]);

function toTarget({ kind, addresses, username, password, name, db, tls, query }: Parts): RedisTarget {
  const login = { username, password, db, tls };
  if (kind === 'sentinel' && name !== undefined) {
    const sentinelUsername = query.get('sentinelUsername');
    const sentinelPassword = query.get('sentinelPassword');
    return { kind, sentinels: addresses, name, sentinelUsername, sentinelPassword, ...login };
  }
  const [address] = addresses;
  if (address === undefined) return fail('there is no host');
  return { kind: 'standalone', ...address, ...login };
}

/** By hand: URL knows neither several hosts nor what a scheme that it has not heard of means. */
function parseUrl(url: string): Parts {
  const [, scheme = '', rest = ''] = /^([a-z+]+):\/\/(.*)$/i.exec(url.trim()) ?? [];
  const tls = scheme.toLowerCase().startsWith('rediss');
  const kind = kinds.get(scheme.toLowerCase().replace('rediss', 'redis'));
  if (kind === undefined) {
    return fail('expected redis://, redis+sentinel:// or redis+cluster://, or the same with rediss for TLS');
  }
  const [beforeQuery, queryText] = splitOnce(rest, '?');
  const at = beforeQuery.lastIndexOf('@');
  const [user, password] = at < 0 ? [] : splitOnce(beforeQuery.slice(0, at), ':');
  const [hosts = '', ...path] = beforeQuery.slice(at + 1).split('/');
  const defaultPort = kind === 'sentinel' ? sentinelPort : redisPort;
  const texts = hosts.split(',');
  if (kind === 'standalone' && texts.length > 1) fail('one redis:// URL names one host');
  return {
    kind,
    tls,
    addresses: texts.map((text) => parseAddress(text, defaultPort)),
    username: decoded(user, 'the user'),
    password: decoded(password, 'the password'),
    ...parsePath(kind, path),
    query: parseQuery(kind, queryText),
  };
}

function parseAddress(text: string, defaultPort: number): Address {
  const [, inBrackets, plain, portText] = /^(?:\[([\w:.%-]+)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? [];
  const host = decoded(inBrackets ?? plain, 'a host');
  if (host === undefined) {
    return fail(
      'a host or port cannot be read (IPv6 addresses belong in brackets, @ / : in a password are %40 %2F %3A)',
    );
  }
  const port = portText === undefined ? defaultPort : Number(portText);
  if (portText === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    return fail('a port is not a number from 1 to 65535');
  }
  return { host, port };
}

function parsePath(kind: Parts['kind'], path: readonly string[]): Pick<Parts, 'name' | 'db'> {
  const segments = path.at(-1) === '' ? path.slice(0, -1) : path;
  const name = kind === 'sentinel' ? decoded(segments[0], 'the name of the master') : undefined;
  if (kind === 'sentinel' && name === undefined) {
    fail('the name of the master is missing: redis+sentinel://host1,host2,…/name');
  }
  const [dbText, ...more] = kind === 'sentinel' ? segments.slice(1) : segments;
  if (dbText === undefined) return { name };
  if (!/^\d{1,5}$/.test(dbText) || more.length > 0) fail('what follows the host is not the number of a database');
  return { name, db: Number(dbText) };
}

function parseQuery(kind: Parts['kind'], text: string | undefined): ReadonlyMap<string, string> {
  const query = new Map(new URLSearchParams(text ?? ''));
  for (const key of query.keys()) {
    const isKnown = kind === 'sentinel' && (key === 'sentinelUsername' || key === 'sentinelPassword');
    // Not which: it may be the rest of a password with a ? in it.
    if (!isKnown) fail('what follows the ? is none of sentinelUsername and sentinelPassword, of redis+sentinel://');
  }
  return query;
}

/** Undefined for nothing. */
function decoded(text: string | undefined, what: string): string | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return fail(`${what} is not percent-encoded`);
  }
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const index = text.indexOf(separator);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + separator.length)];
}

function fail(problem: string): never {
  throw new TypeError(`redisUrl cannot be used: ${problem}.`);
}

/** The target in words that may be shown: addresses, no names and no passwords. */
export function describeTarget(target: RedisTarget): string {
  switch (target.kind) {
    case 'standalone':
      return addressText(target);
    case 'sentinel':
      return `${target.name} of the Sentinels ${target.sentinels.map(addressText).join(', ')}`;
    case 'cluster':
      return `the Cluster at ${target.nodes.map(addressText).join(', ')}`;
  }
}

function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
