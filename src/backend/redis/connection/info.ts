/** What INFO says of a server. */

/** Its lines, by name. */
export type Info = ReadonlyMap<string, string>;

/** The lines of INFO. */
export function parseInfo(text: string): Info {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1)] as const;
    }),
  );
}

/** Completes "Redis at … …": why a server can never be used as it is. Undefined: it can. */
export function problemOf(info: Info, isCluster: boolean): string | undefined {
  // Valkey 8 calls it by the second name.
  const mode = info.get('redis_mode') ?? info.get('server_mode') ?? 'standalone';
  if (mode === 'sentinel') return 'is a Sentinel: write redis+sentinel://host:port/name';
  if (mode === 'cluster' && !isCluster) return 'is a node of a Cluster: write redis+cluster:// instead of redis://';
  const version = info.get('redis_version') ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = version !== '' && (major < 6 || (major === 6 && minor < 2));
  return isOld ? `is version ${version}; Chord needs Redis 6.2 or newer` : undefined;
}
