import { describe, expect, test } from 'vitest';
import type { LogLine } from '../../../src/backend/redis/connection/log.ts';
import { judgeSettings, type ServerSettings, warnOfSettings } from '../../../src/backend/redis/connection/settings.ts';
import { openClient } from '../../support/redis/clients.ts';
import { startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

const info = { aof_enabled: '1', maxmemory: '0', maxmemory_policy: 'noeviction', connected_slaves: '0' };
const config = { appendfsync: 'always', save: '', noAppendfsyncOnRewrite: 'no' };

function settings(of: Record<string, string> = {}, other: Partial<typeof config> | null = {}): ServerSettings {
  const server = { info: new Map(Object.entries({ ...info, ...of })) };
  return other === null ? server : { ...server, config: { ...config, ...other } };
}

describe('judging', () => {
  test('there is nothing to say of settings that lose nothing', () => {
    expect(
      judgeSettings([settings(), settings({ maxmemory: '1000' }), settings({ maxmemory_policy: 'allkeys-lru' })]),
    ).toEqual([]);
    expect(judgeSettings([settings({ connected_slaves: '2', min_slaves_good_slaves: '2' })])).toEqual([]);
    expect(judgeSettings([])).toEqual([]);
    const elsewhere = settings({ aof_enabled: '0' }, { noAppendfsyncOnRewrite: 'yes' });
    expect(judgeSettings([elsewhere])).toEqual([expect.stringMatching(/keeps nothing on a disk/)]);
  });

  test.each([
    ['no disk', settings({ aof_enabled: '0' }), /^Redis keeps nothing on a disk: .* set appendonly yes\.$/],
    ['snapshots', settings({ aof_enabled: '0' }, { save: '3600 1' }), /^Redis has no append-only file: .*snapshot/],
    ['a flush each second', settings({}, { appendfsync: 'everysec' }), /two seconds .* set appendfsync always\.$/],
    [
      'no flush while it saves',
      settings({}, { noAppendfsyncOnRewrite: 'yes' }),
      /30 seconds .* while it saves or rewrites/,
    ],
    ['no flush', settings({}, { appendfsync: 'no' }), /half a minute .* set appendfsync always\.$/],
    ['eviction', settings({ maxmemory: '1', maxmemory_policy: 'volatile-lru' }), /throws data away .*\(volatile-lru\)/],
    [
      'replicas',
      settings({ connected_slaves: '1' }),
      /goes on without its replicas: .* set min-replicas-to-write 1\.$/,
    ],
    ['no right to look', settings({}, null), /^Redis does not let CONFIG GET be called/],
  ])('%s', (_, server, warning) => {
    expect(judgeSettings([server])).toEqual([expect.stringMatching(warning)]);
  });

  test('what is amiss with some of several masters is said once', () => {
    expect(judgeSettings([settings(), settings({ aof_enabled: '0' }), settings({ aof_enabled: '0' })])).toEqual([
      expect.stringMatching(/^Redis \(2 of 3 masters\) keeps nothing on a disk/),
    ]);
  });
});

async function warningsOf(client: Parameters<typeof warnOfSettings>[0]): Promise<readonly string[]> {
  const log: LogLine[] = [];
  await warnOfSettings(client, (line) => log.push(line));
  expect(log.filter(({ level }) => level !== 'warn')).toEqual([]);
  return log.map(({ text }) => text);
}

describe('reading', () => {
  test('servers are judged by what they are, one warning a line', async () => {
    await using server = await startRedis();
    expect(await warningsOf(openClient(server.url))).toEqual([expect.stringMatching(/^Redis keeps nothing on a disk/)]);
    await server.cli('CONFIG', 'SET', 'appendonly', 'yes', 'appendfsync', 'always');
    expect(await warningsOf(openClient(server.url))).toEqual([]);
    await server.cli('CONFIG', 'SET', 'appendfsync', 'everysec', 'maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru');
    await using replica = await startRedis({ role: () => [`replicaof 127.0.0.1 ${server.port}`] });
    await until('the replica', async () => (await server.info('replication')).get('connected_slaves') === '1');
    expect(await warningsOf(openClient(server.url))).toEqual([
      expect.stringMatching(/two seconds/),
      expect.stringMatching(/\(allkeys-lru\)/),
      expect.stringMatching(/goes on without its replicas/),
    ]);
    await server.cli('CONFIG', 'SET', 'min-replicas-to-write', 1);
    expect(await warningsOf(openClient(server.url))).toHaveLength(2);
    await server.cli('CONFIG', 'SET', 'no-appendfsync-on-rewrite', 'yes');
    expect(await warningsOf(openClient(server.url))).toContainEqual(expect.stringMatching(/30 seconds/));
    expect(replica.isRunning).toBe(true);
  });

  test('a user without the right to look is told so, and what INFO tells', async () => {
    await using server = await startRedis();
    await server.cli('ACL', 'SETUSER', 'some', 'on', '>secret', '~*', '&*', '+@all', '-config');
    expect(await warningsOf(openClient(`redis://some:secret@${server.address}`))).toEqual([
      expect.stringMatching(/^Redis does not let CONFIG GET be called/),
      expect.stringMatching(/^Redis has no append-only file/),
    ]);
  });

  test('nothing is said of a server that is away', async () => {
    await using server = await startRedis();
    await server.kill();
    expect(await warningsOf(openClient(server.url, { timeoutMs: 200 }))).toEqual([]);
  });

  test('nothing is said when the client is closed meanwhile', async () => {
    await using server = await startRedis();
    const client = openClient(server.url);
    const closing = {
      infos: async () => {
        const infos = await client.infos();
        await client.close();
        return infos;
      },
      settings: (name: string) => client.settings(name),
    };
    expect(await warningsOf(closing)).toEqual([]);
  });
});
