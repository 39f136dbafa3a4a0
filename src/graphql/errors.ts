import {
  ContextNotFoundError,
  ExternalStorageError,
  IdempotencyConflictError,
  InvalidStateError,
  LimitExceededError,
  NotConfiguredError,
  UnauthenticatedError,
  VersionConflictError,
} from '../errors.ts';
import { builder } from './builder.ts';

const ErrorInterface = builder.interfaceRef<Error>('Error').implement({
  description: 'An expected failure. `__typename` is its code; the message is for people and may change.',
  fields: (t) => ({
    message: t.exposeString('message', { description: 'What happened, in one sentence.' }),
  }),
});

const contextIdField = 'The id of the context.';

builder.objectType(ContextNotFoundError, {
  name: 'ContextNotFoundError',
  description: 'There is no context with this id, and the mutation needs one.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ contextId: t.exposeID('contextId', { description: contextIdField }) }),
});

builder.objectType(VersionConflictError, {
  name: 'VersionConflictError',
  description: '`expectedVersion` or `expectedEpoch` is not where the context stands. Nothing was stored.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    contextId: t.exposeID('contextId', { description: contextIdField }),
    currentVersion: t.expose('currentVersion', {
      type: 'SafeInt',
      nullable: true,
      description: 'Where the context stands: 0 when there is none, null when the viewer may not read it.',
    }),
    currentEpoch: t.exposeID('currentEpoch', {
      nullable: true,
      description: 'The epoch that the context is in; null when there is none or the viewer may not read it.',
    }),
  }),
});

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  description: 'The idempotency key was used for another request on this context. Nothing was stored.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ idempotencyKey: t.exposeString('idempotencyKey', { description: 'The key as it was sent.' }) }),
});

builder.objectType(InvalidStateError, {
  name: 'InvalidStateError',
  description:
    'The argument, or what the provider answered, holds what JSON cannot carry or a forbidden key, or a path to remove is empty.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    path: t.exposeStringList('path', {
      description: 'Keys and array indexes that lead to the offending value within `state`, `changes` or `remove`.',
    }),
  }),
});

builder.objectType(LimitExceededError, {
  name: 'LimitExceededError',
  description: 'Something is larger than a configured maximum. Nothing was stored.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    limit: t.exposeString('limit', { description: 'The name of the option, or of a fixed bound (`revocations`).' }),
    max: t.expose('max', { type: 'SafeInt', description: 'Its value.' }),
    actual: t.expose('actual', { type: 'SafeInt', description: 'The value seen.' }),
  }),
});

builder.objectType(NotConfiguredError, {
  name: 'NotConfiguredError',
  description: 'The mutation needs what no option sets: an exporter, a provider, or a way to say who asks.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ option: t.exposeString('option', { description: 'The name of an option that would.' }) }),
});

builder.objectType(ExternalStorageError, {
  name: 'ExternalStorageError',
  description:
    "The exporter or the provider failed, did not answer in time, or answered what is no context. The server's log has the reason.",
  interfaces: [ErrorInterface],
});

/** What every write may be refused for. */
export const conditionErrors = [VersionConflictError, IdempotencyConflictError];
/** What a write that brings a state along may be refused for. */
export const stateErrors = [...conditionErrors, InvalidStateError, LimitExceededError];

builder.objectType(UnauthenticatedError, {
  name: 'UnauthenticatedError',
  description: 'The credentials do not hold, or are of another viewer. The old ones still count.',
  interfaces: [ErrorInterface],
});
