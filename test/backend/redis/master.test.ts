/* Only a master answers: a replica may lack what was acknowledged. */
import { expect, test } from 'vitest';
import { history, start } from '../../../src/conformance/draft.ts';
import { openRedis } from '../../support/redis/backend.ts';
import { startCluster } from '../../support/redis/cluster.ts';
import { makeReadOnly } from '../../support/redis/faults.ts';
import { startRedis } from '../../support/redis/server.ts';
import { until } from '../../support/wait.ts';

test('a server that was demoted behind the same address answers nothing, and all when it is promoted', async () => {
  await using server = await startRedis();
  await using backend = await openRedis([server.url], { timeoutMs: 1_000 });
  await history(backend, 'id', 2);
  const questions = {
    read: () => backend.read('id'),
    readOutcome: () => backend.readOutcome('id', 'key', start),
    deltas: () => backend.deltas('id', { limit: 1 }),
    heads: () => backend.heads(['id']),
    list: () => backend.list({ limit: 1 }),
    count: () => backend.count({}),
    due: () => backend.due('deltas', start + 9, { limit: 1 }),
    nextDue: () => backend.nextDue('deltas'),
    expire: () => backend.expire('id', start),
    postpone: () => backend.postpone('id', start, start),
    trimDeltas: () => backend.trimDeltas('id', 0),
    purgeTombstone: () => backend.purgeTombstone('id', start),
    lease: () => backend.lease('lease', 1, start),
    noteRevision: () => backend.noteRevision('note'),
    readNote: () => backend.readNote('note'),
    writeNote: () => backend.writeNote('note', { text: '', revision: 'r1' }, undefined),
    takeRate: () => backend.takeRate('key', { perSecond: 1_000, count: 1 }),
    ping: () => backend.ping(),
  };
  const answers = async () => {
    const asked = Object.entries(questions).map(async ([name, ask]) => [
      name,
      await ask().then(
        () => 'answered',
        (error: { readonly code?: string; readonly outcome?: string }) => `${error.code} ${error.outcome}`,
      ),
    ]);
    return Object.fromEntries(await Promise.all(asked)) as Readonly<Record<string, string>>;
  };
  const all = (answer: string) => Object.fromEntries(Object.keys(questions).map((name) => [name, answer]));
  expect(await answers()).toEqual(all('answered'));
  const heal = await makeReadOnly(server);
  expect(await answers()).toEqual(all('BACKEND_UNAVAILABLE NOT_STORED'));
  await heal();
  await until('all answers', async () => Object.values(await answers()).every((answer) => answer === 'answered'));
});

test.each([
  { coverage: 'no', answer: 'answered' },
  { coverage: 'yes', answer: 'BACKEND_UNAVAILABLE' },
])('a Cluster that lost a master, with cluster-require-full-coverage $coverage', async ({ coverage, answer }) => {
  await using cluster = await startCluster({ replicas: 0, args: ['--cluster-require-full-coverage', coverage] });
  await using backend = await openRedis(cluster.urls, { timeoutMs: 1_000 });
  const ping = () =>
    backend.ping().then(
      () => 'answered',
      (error: { readonly code?: string }) => error.code,
    );
  expect(await ping()).toBe('answered');
  const [gone, ...left] = cluster.nodes;
  await gone?.kill();
  const sign = coverage === 'yes' ? /cluster_state:fail/ : /cluster_slots_fail:[1-9]/;
  // Any of them may be asked.
  await until('all others to notice', async () => {
    const infos = await Promise.all(left.map((node) => node.cli('CLUSTER', 'INFO')));
    return infos.every((info) => sign.test(String(info)));
  });
  expect(await ping()).toBe(answer);
  await gone?.start();
  await until('an answer', async () => (await ping()) === 'answered');
});
