/* Who is let in where, and what is said to who is not. */
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { problemOf } from '../../../src/backend/redis/connection/info.ts';
import { RedisStoreError } from '../../../src/errors.ts';
import { Command, stopCommands } from '../../support/command.ts';
import { compiled } from '../../support/compiled.ts';
import { causeOf, failureOf, openClient, type TestedClient } from '../../support/redis/clients.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { hang } from '../../support/redis/faults.ts';
import { startSentinel } from '../../support/redis/sentinel.ts';
import { type RedisServer, startRedis } from '../../support/redis/server.ts';
import { soon, until } from '../../support/wait.ts';

/** What it says of a mistake, which it says long before its time is over, and to operators once. */
async function mistakeOf(client: TestedClient): Promise<string> {
  const error = await soon('the mistake', failureOf(client.call(['SET', 'key', 1], { isWrite: true })), 8_000);
  expect(error).toMatchObject({ outcome: 'NOT_STORED', cause: expect.any(RedisStoreError) });
  expect(error.message).toBe('Redis cannot be used as it is set up.');
  const text = causeOf(error);
  expect(client.log.map((line) => ({ ...line, text: `${line.text}.` }))).toEqual([{ level: 'warn', text }]);
  expect(text).not.toMatch(/hush|\.\)|\.\./);
  return text;
}

describe('with a password', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ password: 'hush/:@%' });
    await server.cli('ACL', 'SETUSER', 'some', 'on', '>hush', '~*', '&*', '+@all');
    await server.cli('ACL', 'SETUSER', 'deaf', 'on', '>hush', '~*', '&*', '+@all', '-info');
  });
  afterAll(() => server.stop());

  test('who has it is let in', async () => {
    expect(await openClient(server.url).call(['ACL', 'WHOAMI'])).toBe('default');
  });

  test('a user is', async () => {
    expect(await openClient(`redis://some:hush@${server.address}`).call(['ACL', 'WHOAMI'])).toBe('some');
  });

  test('who has another is not', async () => {
    expect(await mistakeOf(openClient(`redis://:hush2@${server.address}`))).toMatch(
      /^Redis at 127\.0\.0\.1:\d+ refuses the user or the password \(WRONGPASS .*\)\.$/,
    );
  });

  test('who has none is not', async () => {
    expect(await mistakeOf(openClient(`redis://${server.address}`))).toMatch(
      / wants a password \(NOAUTH[^)]{0,30}\)\.$/,
    );
  });

  test('a user without the right to call INFO is of no use, and nothing is printed past the log', async () => {
    const print = vi.spyOn(console, 'warn');
    onTestFinished(() => print.mockRestore());
    expect(await mistakeOf(openClient(`redis://deaf:hush@${server.address}`))).toMatch(
      / does not let this user call INFO \(NOPERM /,
    );
    expect(print).not.toHaveBeenCalled();
  });

  test('a mistake that is mended on the server is forgotten', async () => {
    const client = openClient(`redis://late:hush@${server.address}`, { timeoutMs: 15_000 });
    await failureOf(client.ping());
    await server.cli('ACL', 'SETUSER', 'late', 'on', '>hush', '~*', '&*', '+@all');
    // While it is refused it is said at once.
    await until('the user to be let in', () =>
      client.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(client.log.at(-1)).toEqual({ level: 'info', text: expect.stringMatching(/ is there again$/) });
  });
});

describe('databases', () => {
  test('a URL names one', async () => {
    await using server = await startRedis();
    const client = openClient(`${server.url}/3`);
    await client.call(['SET', 'key', 1], { isWrite: true });
    expect([...(await server.info('keyspace')).keys()]).toEqual(['db3']);
  });

  test('one that is not there is not replaced by another', async () => {
    await using server = await startRedis();
    expect(await mistakeOf(openClient(`${server.url}/99`))).toMatch(/ has no database of that number \(ERR DB index/);
    expect([...(await server.info('keyspace')).keys()]).toEqual([]);
  });
});

describe('what INFO says', () => {
  const valkey = { redis_version: '7.2.4', server_name: 'valkey', valkey_version: '8.0.1' };

  test.each([
    [{ redis_version: '7.0.15', redis_mode: 'standalone' }, false, undefined],
    [{ redis_version: '6.2.0', redis_mode: 'cluster' }, true, undefined],
    [{ redis_version: '6.0.16', redis_mode: 'standalone' }, false, 'is version 6.0.16; Chord needs Redis 6.2 or newer'],
    [{ redis_mode: 'cluster' }, false, 'is a node of a Cluster: write redis+cluster:// instead of redis://'],
    [{ ...valkey, server_mode: 'standalone' }, false, undefined],
    [
      { ...valkey, server_mode: 'cluster' },
      false,
      'is a node of a Cluster: write redis+cluster:// instead of redis://',
    ],
    [{ ...valkey, server_mode: 'sentinel' }, false, 'is a Sentinel: write redis+sentinel://host:port/name'],
  ])('%j', (info, isCluster, problem) => {
    expect(problemOf(new Map(Object.entries(info)), isCluster)).toBe(problem);
  });
});

describe('kinds of servers', () => {
  test('a node of a Cluster is not taken for a server of its own, nor the other way round', async () => {
    await using cluster = await startCluster({ masters: 2, replicas: 0 });
    const [url = ''] = cluster.urls;
    expect(await mistakeOf(openClient(url))).toMatch(/ is a node of a Cluster: write redis\+cluster:\/\//);
    await using server = await startRedis();
    expect(await mistakeOf(openClient(`redis+cluster://${server.address}`))).toMatch(
      / is no node of a Cluster: write one redis:\/\/ for one server, redis\+sentinel:\/\/host1,host2\/name for /,
    );
    expect(await mistakeOf(openClient([server.url, server.url]))).toMatch(/write one redis:\/\/ for one server/);
  });

  test('a Sentinel is not taken for a server, nor the other way round', async () => {
    await using set = await startSentinel({ replicas: 0, sentinels: 1 });
    const [sentinel] = set.sentinels;
    expect(await mistakeOf(openClient(`redis://${sentinel?.address}`))).toMatch(
      / is a Sentinel: write redis\+sentinel/,
    );
    const [server] = set.servers;
    expect(await mistakeOf(openClient(`redis+sentinel://${server?.address}/chord`))).toMatch(/these are no Sentinels/);
    expect(await mistakeOf(openClient(set.url.replace('/chord', '/other')))).toMatch(
      /^Redis at other of the Sentinels 127\.0\.0\.1:\d+ cannot be found: no Sentinel knows a master of that name\.$/,
    );
  });

  test('Sentinels want a password of their own', async () => {
    await using set = await startSentinel({ replicas: 0, sentinels: 1, password: 'hush' });
    expect(await openClient(set.url).call(['PING'])).toBe('PONG');
    expect(await mistakeOf(openClient(set.url.split('?')[0] ?? ''))).toMatch(
      /the Sentinel wants a password \(NOAUTH[^)]{0,30}\)\.$/,
    );
    expect(await mistakeOf(openClient(set.url.replace('//:hush@', '//')))).toMatch(/ wants a password \(NOAUTH/);
  });

  test('nodes of a Cluster want a password', async () => {
    await using cluster = await startCluster({ masters: 2, replicas: 0 });
    for (const node of cluster.nodes) {
      await node.cli('ACL', 'SETUSER', 'some', 'on', '>hush', '~*', '&*', '+@all');
    }
    const url = `redis+cluster://some:hush@${cluster.nodes[0]?.address}`;
    expect(await openClient(url).call(['ACL', 'WHOAMI'])).toBe('some');
    expect(await mistakeOf(openClient(url.replace('hush', 'hush2')))).toMatch(/ refuses the user or the password/);
  });

  test('a node that was away, and does not let the user in any more, is told of twice', async () => {
    await using cluster = await startCluster({ masters: 2, replicas: 0 });
    for (const node of cluster.nodes) {
      await node.cli('ACL', 'SETUSER', 'some', 'on', '>hush', '~*', '&*', '+@all');
    }
    const [seed, gone] = cluster.nodes;
    const client = openClient(`redis+cluster://some:hush@${seed?.address}`);
    expect(await client.call(['ACL', 'WHOAMI'])).toBe('some');
    await gone?.kill();
    await until('it to be away', () => client.warnings.some((text) => / is away: /.test(text)));
    // It has forgotten the user.
    await gone?.start();
    await until('the mistake', () => client.warnings.some((text) => / refuses the user or the password/.test(text)));
  });

  test('a node that never met another says so', async () => {
    await using node = await startRedis({ role: () => ['cluster-enabled yes'] });
    await node.cli('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    expect(await mistakeOf(openClient(`redis+cluster://${node.address}`))).toMatch(/cluster-announce-ip/);
  });
});

describe('TLS', () => {
  test('a certificate of an unknown authority is refused', async () => {
    await using server = await startRedis({ tls: true });
    expect(await mistakeOf(openClient(server.url))).toMatch(
      / has a certificate of an authority that is not known here; NODE_EXTRA_CA_CERTS can name one/,
    );
  });

  test('a server without it, or one that wants it, gives a hint', async () => {
    await using server = await startRedis({ tls: true });
    const plain = openClient(`redis://${server.address}`, { timeoutMs: 500 });
    expect(causeOf(await failureOf(plain.ping()))).toMatch(/ is away: .* \(or it wants TLS, rediss:\/\/\)\.$/);
    await using other = await startRedis();
    const secret = openClient(`rediss://${other.address}`, { timeoutMs: 500 });
    await failureOf(secret.ping());
    expect(causeOf(await failureOf(secret.ping()))).toMatch(/ is away: .* \(or it does not speak TLS\)\.$/);
  });
});

/** Compiles the child, and answers what runs it and says what it printed. */
async function program(): Promise<(url: string, env?: Record<string, string>) => Promise<string>> {
  const path = await compiled(new URL('client-child.ts', import.meta.url));
  const scripts = 'src/backend/redis/scripts';
  await cp(scripts, join(dirname(path), '../../..', scripts), { recursive: true });
  return async (url, env = {}) => {
    const child = new Command(process.execPath, [path, url, '500'], { cwd: '.', env });
    expect(await soon(`the end of the client of ${url}`, child.exit)).toBe(0);
    return child.stdout + child.stderr;
  };
}

describe('a process with a client', () => {
  afterEach(stopCommands);

  test('trusts the authority that NODE_EXTRA_CA_CERTS names', async () => {
    await using server = await startRedis({ tls: true, password: 'hush' });
    const run = await program();
    expect(await run(server.url, { NODE_EXTRA_CA_CERTS: server.certificate?.certPath ?? '' })).toBe('PONG\nclosed\n');
  });

  test('ends when the client is closed, whatever the server does', async () => {
    await using server = await startRedis();
    await using cluster = await startCluster({ masters: 2, replicas: 0 });
    await using set = await startSentinel({ replicas: 0, sentinels: 1 });
    const run = await program();
    const urls = [server.url, `redis+cluster://${cluster.nodes[0]?.address}`, set.url];
    // At once: most of their time is spent on waiting in vain.
    const runAll = () => Promise.all(urls.map((url) => run(url)));
    expect(await runAll()).toEqual(urls.map(() => 'PONG\nclosed\n'));

    const inVain = urls.map(() => expect.stringMatching(/^BackendUnavailable.*\nclosed\n$/));
    const servers = [server, ...cluster.nodes, ...set.sentinels];
    await Promise.all(servers.map(hang));
    expect(await runAll()).toEqual(inVain);

    await Promise.all(servers.map((each) => each.kill()));
    expect(await runAll()).toEqual(inVain);
  });
});
