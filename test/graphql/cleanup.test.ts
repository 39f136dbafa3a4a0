import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import { openGraphQL } from '../support/app.ts';
import { ManualClock, settle } from '../support/clock.ts';

const report = 'contextsExpired deltasTrimmed tombstonesPurged exportsFailed remaining durationMs';
const status = `running intervalMs limit lastRunAt nextRunAt lastReport { ${report} } failedRuns failingExports`;

function open(options: Parameters<typeof openGraphQL>[0] = {}) {
  const clock = new ManualClock();
  return { clock, ...openGraphQL({ clock, ...options }) };
}

const nothing = {
  contextsExpired: 0,
  deltasTrimmed: 0,
  tombstonesPurged: 0,
  exportsFailed: 0,
  remaining: false,
  durationMs: 0,
};

test('cleanup tells of a scheduler that never ran', async () => {
  const { run } = open();
  expect(await run(`{ cleanup { __typename ${status} } }`)).toEqual({
    data: {
      cleanup: {
        __typename: 'CleanupStatus',
        running: false,
        intervalMs: 3_600_000,
        limit: null,
        lastRunAt: null,
        nextRunAt: null,
        lastReport: null,
        failedRuns: 0,
        failingExports: 0,
      },
    },
  });
});

describe('runCleanup', () => {
  test('does one pass and answers what it did, which cleanup tells from then on', async () => {
    const { chord, clock, run } = open({ deltaTtlMs: 1_000, tombstoneTtlMs: 1_000 });
    await chord.setContext('due', {}, { ttlMs: 1_000 });
    await chord.setContext('gone', {});
    await chord.deleteContext('gone');
    await chord.setContext('kept', {});
    await clock.advance(1_000);
    const { data, errors } = await run(`mutation { runCleanup { __typename report { __typename ${report} } } }`);
    expect(errors).toBeUndefined();
    const done = { ...nothing, contextsExpired: 1, deltasTrimmed: 1, tombstonesPurged: 1 };
    expect(data).toEqual({
      runCleanup: { __typename: 'RunCleanupPayload', report: { __typename: 'CleanupReport', ...done } },
    });
    expect((await run(`{ cleanup { lastRunAt lastReport { ${report} } } }`)).data).toEqual({
      cleanup: { lastRunAt: new Date(clock.now()).toISOString(), lastReport: done },
    });
  });

  test('takes a limit, an offset and an order', async () => {
    const { chord, clock, run } = open();
    for (let n = 0; n < 5; n++) await chord.setContext(`c${n}`, {}, { ttlMs: 10 + n });
    await clock.advance(100);
    const { data } = await run(
      `mutation ($order: SortDirection) { runCleanup(limit: 2, offset: 1, order: $order) { report { ${report} } } }`,
      { order: 'DESC' },
    );
    expect(data).toEqual({ runCleanup: { report: { ...nothing, contextsExpired: 2, remaining: true } } });
    expect((await chord.listContexts()).nodes.map(({ id }) => id)).toEqual(['c0', 'c1', 'c4']);
  });

  test('takes null for what is absent', async () => {
    const { run } = open();
    const { data } = await run(
      `mutation { runCleanup(limit: null, offset: null, order: null) { report { ${report} } } }`,
    );
    expect(data).toEqual({ runCleanup: { report: nothing } });
  });

  test('refuses a limit of 0 without erasing its siblings', async () => {
    const { run } = open();
    const { data, errors } = await run(
      'mutation { bad: runCleanup(limit: 0) { report { remaining } } good: runCleanup { report { remaining } } }',
    );
    expect(data).toEqual({ bad: null, good: { report: { remaining: false } } });
    expect(errors).toMatchObject([{ path: ['bad'], extensions: { code: 'BAD_USER_INPUT', argument: 'limit' } }]);
  });

  test('fails with the store, by the code of that, and is counted', async () => {
    const backend = new MemoryBackend();
    const { run } = open({ backend });
    backend.due = () => Promise.reject(new BackendUnavailableError('The store is away.', 'NOT_STORED'));
    const { data, errors } = await run('mutation { runCleanup { report { remaining } } }');
    expect(data).toEqual({ runCleanup: null });
    expect(errors).toMatchObject([{ extensions: { code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' } }]);
    expect((await run('{ cleanup { failedRuns } }')).data).toEqual({ cleanup: { failedRuns: 1 } });
  });

  test('answers what is beyond Int as its largest number', async () => {
    const backend = new MemoryBackend();
    const { chord, clock, run } = open({ backend, deltaTtlMs: 1_000 });
    await chord.setContext('c', {});
    await clock.advance(1_000);
    backend.trimDeltas = async () => {
      clock.set(clock.now() + 1e12);
      return 1e12;
    };
    const { data } = await run('mutation { runCleanup { report { deltasTrimmed durationMs } } }');
    expect(data).toEqual({ runCleanup: { report: { deltasTrimmed: 2 ** 31 - 1, durationMs: 2 ** 31 - 1 } } });
  });
});

describe('the scheduler', () => {
  test('is started, updated and stopped, each answering how it is then', async () => {
    const { clock, run } = open();
    const startMs = clock.now();
    const at = (ms: number) => new Date(startMs + ms).toISOString();
    const fields = 'status { running intervalMs limit nextRunAt }';
    const { data: started } = await run(
      `mutation ($intervalMs: SafeInt) { startCleanup(intervalMs: $intervalMs, limit: 7) { __typename ${fields} } }`,
      { intervalMs: 5_000_000_000 },
    );
    expect(started).toEqual({
      startCleanup: {
        __typename: 'StartCleanupPayload',
        status: { running: true, intervalMs: 5_000_000_000, limit: 7, nextRunAt: at(0) },
      },
    });
    await settle();
    const { data: updated } = await run(`mutation { updateCleanup(intervalMs: 60000) { __typename ${fields} } }`);
    expect(updated).toEqual({
      updateCleanup: {
        __typename: 'UpdateCleanupPayload',
        status: { running: true, intervalMs: 60_000, limit: 7, nextRunAt: at(60_000) },
      },
    });
    await clock.advance(60_000);
    expect((await run('{ cleanup { lastRunAt nextRunAt lastReport { remaining } } }')).data).toEqual({
      cleanup: { lastRunAt: at(60_000), nextRunAt: at(120_000), lastReport: { remaining: false } },
    });
    const { data: stopped } = await run(`mutation { stopCleanup { __typename ${fields} } }`);
    expect(stopped).toEqual({
      stopCleanup: {
        __typename: 'StopCleanupPayload',
        status: { running: false, intervalMs: 60_000, limit: 7, nextRunAt: null },
      },
    });
  });

  test('takes no interval or limit that is out of bounds', async () => {
    const { run } = open();
    const { data, errors } = await run(
      `mutation {
        startCleanup(intervalMs: 31622400000001) { status { running } }
        updateCleanup(limit: 0) { status { running } }
        stopCleanup { status { running } }
      }`,
    );
    expect(data).toEqual({ startCleanup: null, updateCleanup: null, stopCleanup: { status: { running: false } } });
    expect(errors).toMatchObject([
      { path: ['startCleanup'], extensions: { code: 'BAD_USER_INPUT', argument: 'intervalMs' } },
      { path: ['updateCleanup'], extensions: { code: 'BAD_USER_INPUT', argument: 'limit' } },
    ]);
  });

  test('tells dates also at the end of all dates', async () => {
    const clock = new ManualClock(8.64e15 - 10);
    const { run } = open({ clock });
    const { data, errors } = await run('mutation { startCleanup { status { nextRunAt } } }');
    expect([data, errors]).toEqual([
      { startCleanup: { status: { nextRunAt: '+275760-09-12T23:59:59.990Z' } } },
      undefined,
    ]);
    await settle();
    expect(await run('{ cleanup { nextRunAt } }')).toEqual({
      data: { cleanup: { nextRunAt: '+275760-09-13T00:00:00.000Z' } },
    });
    await run('mutation { stopCleanup { status { running } } }');
  });
});
