import { describe, expect, test } from 'vitest';
import { openGraphQL } from '../support/app.ts';
import { ManualClock } from '../support/clock.ts';

const payload =
  'contextId epoch version changed duplicate context { state version } delta { fromVersion version origin }';

const conditionErrors = `
  ... on Error { __typename message }
  ... on VersionConflictError { contextId currentVersion currentEpoch }
  ... on IdempotencyConflictError { idempotencyKey }`;
const stateErrors = `${conditionErrors}
  ... on InvalidStateError { path }
  ... on LimitExceededError { limit max actual }`;
const notFound = '... on ContextNotFoundError { contextId }';

const set = `mutation ($id: ID! = "c", $state: JSONObject!, $ttlMs: SafeInt, $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String) {
  setContext(id: $id, state: $state, ttlMs: $ttlMs, expectedVersion: $expectedVersion, expectedEpoch: $expectedEpoch, idempotencyKey: $idempotencyKey, origin: $origin) {
    ... on SetContextPayload { ${payload} } ${stateErrors}
  }
}`;

const update = `mutation ($id: ID! = "c", $changes: JSONObject! = {}, $remove: [[String!]!], $ttlMs: SafeInt, $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String) {
  updateContext(id: $id, changes: $changes, remove: $remove, ttlMs: $ttlMs, expectedVersion: $expectedVersion, expectedEpoch: $expectedEpoch, idempotencyKey: $idempotencyKey, origin: $origin) {
    ... on UpdateContextPayload { ${payload} } ${stateErrors} ${notFound}
  }
}`;

const remove = `mutation ($id: ID! = "c", $expectedVersion: SafeInt, $expectedEpoch: ID, $idempotencyKey: String, $origin: String) {
  deleteContext(id: $id, expectedVersion: $expectedVersion, expectedEpoch: $expectedEpoch, idempotencyKey: $idempotencyKey, origin: $origin) {
    ... on DeleteContextPayload { contextId epoch version duplicate } ${conditionErrors} ${notFound}
  }
}`;

/** Runs mutations, each on the context "c", and answers their results without the envelope. */
function openWriter(options: Parameters<typeof openGraphQL>[0] = {}) {
  const graphql = openGraphQL(options);
  const write = (name: string, document: string) => async (variables: Readonly<Record<string, unknown>>) => {
    const { data, errors } = await graphql.run(document, variables);
    expect(errors).toBeUndefined();
    return data?.[name];
  };
  return {
    ...graphql,
    set: write('setContext', set),
    update: write('updateContext', update),
    remove: write('deleteContext', remove),
  };
}

describe('a write answers', () => {
  test('what setContext did', async () => {
    const writer = openWriter();
    expect(await writer.set({ state: { a: 1 }, origin: 'me' })).toEqual({
      contextId: 'c',
      epoch: expect.stringMatching(/^[\w-]+$/),
      version: 1,
      changed: true,
      duplicate: false,
      context: { state: { a: 1 }, version: 1 },
      delta: { fromVersion: 0, version: 1, origin: 'me' },
    });
    expect(await writer.set({ state: { a: 1 } })).toMatchObject({ version: 1, changed: false, delta: null });
    expect(await writer.set({ state: {} })).toMatchObject({ version: 2, changed: true, context: { state: {} } });
  });

  test('what updateContext did', async () => {
    const writer = openWriter();
    await writer.set({ state: { a: { x: 1, y: 2 }, list: [1], gone: 1 } });
    expect(
      await writer.update({ changes: { a: { x: null }, list: [2] }, remove: [['gone'], ['a', 'y'], ['never', 'was']] }),
    ).toMatchObject({ version: 2, changed: true, context: { state: { a: { x: null }, list: [2] } } });
    expect(await writer.update({})).toMatchObject({ version: 2, changed: false, delta: null });
  });

  test('what deleteContext did', async () => {
    const writer = openWriter();
    const { epoch } = await writer.chord.setContext('c', {});
    expect(await writer.remove({ idempotencyKey: 'k' })).toEqual({
      contextId: 'c',
      epoch,
      version: 1,
      duplicate: false,
    });
    expect(await writer.remove({ idempotencyKey: 'k' })).toEqual({
      contextId: 'c',
      epoch,
      version: 1,
      duplicate: true,
    });
  });

  test('the first outcome to a repeated key, with the context as it is now', async () => {
    const writer = openWriter();
    await writer.set({ state: { n: 0 } });
    await writer.update({ changes: { n: 1 }, idempotencyKey: 'k' });
    await writer.update({ changes: { n: 2 } });
    expect(await writer.update({ changes: { n: 1 }, idempotencyKey: 'k' })).toMatchObject({
      version: 2,
      changed: true,
      duplicate: true,
      context: { state: { n: 2 }, version: 3 },
      delta: { version: 2 },
    });
    await writer.remove({});
    expect(await writer.update({ changes: { n: 1 }, idempotencyKey: 'k' })).toMatchObject({
      duplicate: true,
      context: null,
      delta: null,
    });
  });

  test('in the order of the document', async () => {
    const { run } = openGraphQL();
    const { data } = await run(`mutation {
      first: setContext(id: "c", state: { n: 1 }) { ...at }
      second: setContext(id: "c", state: { n: 2 }, expectedVersion: 1) { ...at }
      third: deleteContext(id: "c", expectedVersion: 2) { ... on DeleteContextPayload { version } }
    } fragment at on SetContextPayload { version }`);
    expect(data).toEqual({ first: { version: 1 }, second: { version: 2 }, third: { version: 2 } });
  });
});

describe('ttlMs', () => {
  test('null is for ever, absent is as before, by variables and by literals', async () => {
    const clock = new ManualClock();
    const { run, chord } = openGraphQL({ clock });
    const expiry = async () => {
      const expiresAtMs = (await chord.getContext('c'))?.expiresAtMs;
      return typeof expiresAtMs === 'number' ? expiresAtMs - clock.now() : expiresAtMs;
    };
    const updateBy = async (args: string, variables?: Readonly<Record<string, unknown>>) => {
      const { errors } = await run(
        `mutation ($ttlMs: SafeInt) { updateContext(id: "c", changes: {}${args}) { __typename } }`,
        variables,
      );
      // An unused variable is one too many.
      return errors === undefined || args !== ', ttlMs: $ttlMs' ? expiry() : errors;
    };
    await chord.setContext('c', {}, { ttlMs: 1_000 });
    expect(await expiry()).toBe(1_000);
    clock.set(clock.now() + 500);
    expect(await updateBy(', ttlMs: $ttlMs')).toBe(1_000);
    expect(await updateBy(', ttlMs: $ttlMs', { ttlMs: 2_000 })).toBe(2_000);
    expect(await updateBy(', ttlMs: $ttlMs')).toBe(2_000);
    expect(await updateBy(', ttlMs: $ttlMs', { ttlMs: null })).toBeNull();
    expect(await updateBy(', ttlMs: $ttlMs')).toBeNull();
    expect(await updateBy(', ttlMs: $ttlMs', { ttlMs: 2 ** 32 })).toBe(2 ** 32);
    await run('mutation { updateContext(id: "c", changes: {}) { __typename } }');
    expect(await expiry()).toBe(2 ** 32);
    await run('mutation { updateContext(id: "c", changes: {}, ttlMs: null) { __typename } }');
    expect(await expiry()).toBeNull();
  });
});

describe('a refusal is a member of the result', () => {
  test('ContextNotFoundError', async () => {
    const writer = openWriter();
    const refusal = { __typename: 'ContextNotFoundError', contextId: 'c', message: expect.any(String) };
    expect(await writer.update({ changes: { a: 1 } })).toEqual(refusal);
    expect(await writer.remove({})).toEqual(refusal);
  });

  test('VersionConflictError, of every write', async () => {
    const writer = openWriter();
    const none = { __typename: 'VersionConflictError', contextId: 'c', currentVersion: 0, currentEpoch: null };
    expect(await writer.set({ state: {}, expectedVersion: 3 })).toMatchObject(none);
    const { epoch } = await writer.chord.setContext('c', {});
    const current = { ...none, currentVersion: 1, currentEpoch: epoch };
    for (const expected of [{ expectedVersion: 0 }, { expectedVersion: 2 ** 31 + 1 }, { expectedEpoch: 'other' }]) {
      expect(await writer.set({ state: {}, ...expected })).toMatchObject(current);
      expect(await writer.update({ changes: {}, ...expected })).toMatchObject(current);
      expect(await writer.remove(expected)).toMatchObject(current);
    }
  });

  test('IdempotencyConflictError, of every write', async () => {
    const writer = openWriter();
    const refusal = { __typename: 'IdempotencyConflictError', idempotencyKey: 'k', message: expect.any(String) };
    await writer.set({ state: {}, idempotencyKey: 'k' });
    expect(await writer.set({ state: { a: 1 }, idempotencyKey: 'k' })).toEqual(refusal);
    expect(await writer.update({ changes: {}, idempotencyKey: 'k' })).toEqual(refusal);
    expect(await writer.remove({ idempotencyKey: 'k' })).toEqual(refusal);
  });

  test('InvalidStateError names the path, of a forbidden key and of an empty path to remove', async () => {
    const writer = openWriter({ forbiddenKeys: ['__proto__'] });
    await writer.set({ state: {} });
    const hostile: unknown = JSON.parse('{ "a": [{ "__proto__": 1 }] }');
    const refusal = { __typename: 'InvalidStateError', path: ['a', '0', '__proto__'], message: expect.any(String) };
    expect(await writer.set({ state: hostile })).toEqual(refusal);
    expect(await writer.update({ changes: hostile })).toEqual(refusal);
    expect(await writer.update({ changes: {}, remove: [['a'], []] })).toEqual({ ...refusal, path: ['1'] });
  });

  test('LimitExceededError names the option, its value and the value seen', async () => {
    const writer = openWriter({ maxStateBytes: 100, maxStateDepth: 3 });
    const long = { text: 'x'.repeat(100) };
    const tooHeavy = {
      __typename: 'LimitExceededError',
      limit: 'maxStateBytes',
      max: 100,
      actual: 112,
      message: expect.any(String),
    };
    expect(await writer.set({ state: long })).toEqual(tooHeavy);
    await writer.set({ state: {} });
    expect(await writer.update({ changes: long })).toMatchObject({ __typename: 'LimitExceededError', max: 100 });
    const tooDeep = { ...tooHeavy, limit: 'maxStateDepth', max: 3, actual: 4 };
    expect(await writer.set({ state: { a: { b: { c: {} } } } })).toEqual(tooDeep);
    expect(await writer.update({ changes: { a: [[[]]] } })).toEqual(tooDeep);
  });

  test('which a client reads by the interface alone, and by the members it knows', async () => {
    const { run } = openGraphQL();
    const { data } = await run(`mutation {
      updateContext(id: "c", changes: {}) { __typename ... on Error { message } ... on ContextNotFoundError { contextId } }
    }`);
    expect(data).toEqual({
      updateContext: {
        __typename: 'ContextNotFoundError',
        message: 'There is no context with this id.',
        contextId: 'c',
      },
    });
  });

  test('and leaves its siblings alone', async () => {
    const { run } = openGraphQL();
    const { data, errors } = await run(`mutation {
      refused: deleteContext(id: "none") { __typename }
      failed: setContext(id: "", state: {}) { __typename }
      done: setContext(id: "c", state: {}) { __typename }
    }`);
    expect(data).toEqual({
      refused: { __typename: 'ContextNotFoundError' },
      failed: null,
      done: { __typename: 'SetContextPayload' },
    });
    expect(errors).toMatchObject([{ path: ['failed'], extensions: { code: 'BAD_USER_INPUT', argument: 'id' } }]);
  });
});
