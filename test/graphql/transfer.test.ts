/** exportContext and restoreContext over GraphQL: every member of their results, and what a failed read-through says. */
import { describe, expect, test } from 'vitest';
import type { Provider } from '../../src/external/external.ts';
import { openGraphQL } from '../support/app.ts';
import { Archive, createGate, providerOf } from '../support/archive.ts';
import { ManualClock } from '../support/clock.ts';
import { until } from '../support/wait.ts';

const secret = 'https://storage.test/?token=s3cret';

const errors = `
  ... on Error { __typename message }
  ... on ContextNotFoundError { contextId }
  ... on NotConfiguredError { option }`;

const exporting = `mutation ($id: ID! = "c") {
  exportContext(id: $id) { ... on ExportContextPayload { contextId epoch version exporter } ${errors} }
}`;

const restoring = `mutation ($id: ID! = "c", $expectedVersion: SafeInt, $expectedEpoch: ID, $origin: String) {
  restoreContext(id: $id, expectedVersion: $expectedVersion, expectedEpoch: $expectedEpoch, origin: $origin) {
    ... on RestoreContextPayload {
      contextId epoch version changed
      context { version state }
      delta { fromVersion version origin changes { action path value } }
    } ${errors}
    ... on VersionConflictError { contextId currentVersion currentEpoch }
    ... on InvalidStateError { path }
    ... on LimitExceededError { limit max actual }
  }
}`;

/** Runs both mutations, and answers their results without the envelope. */
function openTransferring(options: Parameters<typeof openGraphQL>[0] = {}) {
  const graphql = openGraphQL(options);
  const run = (name: string, document: string) => async (variables: Readonly<Record<string, unknown>>) => {
    const { data, errors: failures } = await graphql.run(document, variables);
    expect(failures).toBeUndefined();
    return data?.[name];
  };
  return { ...graphql, exported: run('exportContext', exporting), restored: run('restoreContext', restoring) };
}

/** With an archive as exporter and provider, which has version 1 of "c". */
async function openArchived() {
  const archive = new Archive();
  const transferring = openTransferring({ exporter: archive, provider: archive });
  const created = await transferring.chord.setContext('c', { n: 1 });
  await transferring.chord.exportContext('c');
  return { ...transferring, archive, created };
}

function failing(): Provider & Archive {
  const archive = new Archive();
  archive.gate = () => Promise.reject(new Error(secret));
  return archive;
}

describe('exportContext answers', () => {
  test('what was exported, and by whom', async () => {
    const { exported, created } = await openArchived();
    expect(await exported({})).toEqual({ contextId: 'c', epoch: created.epoch, version: 1, exporter: 'archive' });
  });

  test('ContextNotFoundError', async () => {
    const { exported } = await openArchived();
    expect(await exported({ id: 'never' })).toMatchObject({ __typename: 'ContextNotFoundError', contextId: 'never' });
  });

  test('NotConfiguredError with the name of the option', async () => {
    const { exported } = openTransferring();
    expect(await exported({})).toEqual({
      __typename: 'NotConfiguredError',
      option: 'exporter',
      message: 'The option exporter is not set.',
    });
  });

  test('ExternalStorageError without the words of the exporter', async () => {
    const { chord, exported } = openTransferring({ exporter: failing() });
    await chord.setContext('c', {});
    const message = 'The exporter "archive" failed.';
    expect(await exported({})).toEqual({ __typename: 'ExternalStorageError', message });
  });
});

describe('restoreContext answers', () => {
  test('one more version of a live context, with the delta', async () => {
    const { chord, restored, created } = await openArchived();
    await chord.setContext('c', { n: 'other' });
    expect(await restored({ origin: 'backup', expectedVersion: 2, expectedEpoch: created.epoch })).toEqual({
      contextId: 'c',
      epoch: created.epoch,
      version: 3,
      changed: true,
      context: { version: 3, state: { n: 1 } },
      delta: {
        fromVersion: 2,
        version: 3,
        origin: 'backup',
        changes: [{ action: 'MODIFIED', path: ['n'], value: 1 }],
      },
    });
    expect(await restored({})).toMatchObject({ version: 3, changed: false, delta: null, context: { version: 3 } });
  });

  test('a new epoch of one that is gone', async () => {
    const { chord, restored, created } = await openArchived();
    await chord.deleteContext('c');
    const answer = await restored({ expectedVersion: 0 });
    expect(answer).toMatchObject({ version: 2, changed: true, delta: { fromVersion: 0, version: 2 } });
    expect(answer).not.toMatchObject({ epoch: created.epoch });
  });

  test('ContextNotFoundError', async () => {
    const { restored } = await openArchived();
    expect(await restored({ id: 'never' })).toMatchObject({ __typename: 'ContextNotFoundError', contextId: 'never' });
  });

  test('VersionConflictError with where the context is', async () => {
    const { restored, created } = await openArchived();
    expect(await restored({ expectedVersion: 7 })).toMatchObject({
      __typename: 'VersionConflictError',
      contextId: 'c',
      currentVersion: 1,
      currentEpoch: created.epoch,
    });
  });

  test('InvalidStateError with the path in what the provider answered', async () => {
    const provider = providerOf(() => ({ version: 1, state: { a: { b: undefined } } }));
    const { restored } = openTransferring({ provider });
    expect(await restored({})).toMatchObject({ __typename: 'InvalidStateError', path: ['a', 'b'] });
  });

  test('LimitExceededError with the option and both numbers', async () => {
    const provider = providerOf(() => ({ version: 1, state: { a: 'x'.repeat(100) } }));
    const { restored } = openTransferring({ provider, maxStateBytes: 64 });
    const limit = { limit: 'maxStateBytes', max: 64, actual: 109 };
    expect(await restored({})).toMatchObject({ __typename: 'LimitExceededError', ...limit });
  });

  test('NotConfiguredError with the name of the option', async () => {
    const { restored } = openTransferring();
    expect(await restored({})).toMatchObject({ __typename: 'NotConfiguredError', option: 'provider' });
  });

  test('ExternalStorageError without the words of the provider', async () => {
    const { restored } = openTransferring({ provider: failing() });
    const message = 'The provider "archive" failed.';
    expect(await restored({})).toEqual({ __typename: 'ExternalStorageError', message });
  });

  test('ExternalStorageError when the provider takes too long', async () => {
    const archive = new Archive();
    archive.gate = createGate().pass;
    const clock = new ManualClock();
    const { restored } = openTransferring({ provider: archive, clock, externalTimeoutMs: 50 });
    const answer = restored({});
    await until('the provider is asked', () => archive.fetched.length > 0);
    await clock.advance(50);
    const message = 'The provider "archive" did not finish within 50 ms.';
    expect(await answer).toEqual({ __typename: 'ExternalStorageError', message });
  });
});

describe('what is wrong with the arguments', () => {
  test('is told at the top level, by name', async () => {
    const { run } = await openArchived();
    const { data, errors: failures } = await run(restoring, { expectedVersion: -1 });
    expect(data).toEqual({ restoreContext: null });
    expect(failures?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', argument: 'expectedVersion' });
  });
});

describe('restoreOnMiss', () => {
  test('makes context and syncContext answer what the provider has', async () => {
    const provider = providerOf(() => ({ version: 7, state: { n: 7 } }));
    const { run } = openTransferring({ provider, restoreOnMiss: true });
    const { data } = await run('{ context(id: "c") { version state } syncContext(id: "d") { __typename version } }');
    expect(data).toEqual({
      context: { version: 7, state: { n: 7 } },
      syncContext: { __typename: 'FullContext', version: 7 },
    });
  });

  test('answers BACKEND_UNAVAILABLE when the provider fails, and nothing of why', async () => {
    const { run, logger } = openTransferring({ provider: failing(), restoreOnMiss: true });
    const { data, errors: failures } = await run('{ context(id: "c") { version } }');
    expect(data).toEqual({ context: null });
    expect(failures?.[0]?.extensions).toEqual({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
    expect(JSON.stringify(failures)).not.toContain('s3cret');
    expect(logger.errors).toEqual([]);
  });
});
