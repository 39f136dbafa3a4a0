import { ContextNotFoundError } from '../errors.ts';
import type { DeleteResult, WriteResult } from '../service/chord.ts';
import { builder } from './builder.ts';
import { Context } from './context.ts';
import { Delta } from './delta.ts';
import { conditionErrors, stateErrors } from './errors.ts';

const DeleteContextPayload = builder.objectRef<DeleteResult>('DeleteContextPayload').implement({
  description: 'The context is deleted.',
  fields: (t) => ({
    contextId: t.exposeID('contextId', { description: 'The id of the context.' }),
    epoch: t.exposeID('epoch', { description: 'The epoch that ended.' }),
    version: t.expose('version', { type: 'SafeInt', description: 'Its last version: a delete counts none.' }),
    duplicate: t.exposeBoolean('duplicate', { description: 'The idempotency key had done this before.' }),
  }),
});

function writePayload(name: string, description: string) {
  return builder.objectRef<WriteResult>(name).implement({
    description,
    fields: (t) => ({
      contextId: t.exposeID('contextId', { description: 'The id of the context.' }),
      epoch: t.exposeID('epoch', { description: 'The epoch in which this write put the context.' }),
      version: t.expose('version', {
        type: 'SafeInt',
        description: 'The version at which this write put the context.',
      }),
      context: t.field({
        type: Context,
        nullable: true,
        description: 'The context as it is now, which may be later than `version`; null: gone meanwhile.',
        resolve: (result) => result.context(),
      }),
      delta: t.field({
        type: Delta,
        nullable: true,
        description: 'What changed; null: nothing, or a duplicate whose delta is no longer retained.',
        resolve: ({ delta }) => delta,
      }),
      changed: t.exposeBoolean('changed', { description: 'False: the context was as wanted already.' }),
      duplicate: t.exposeBoolean('duplicate', { description: 'The idempotency key had done this before.' }),
    }),
  });
}

const SetContextPayload = writePayload(
  'SetContextPayload',
  'The context has the state, whether it had it before (`changed`) or not.',
);
const UpdateContextPayload = writePayload(
  'UpdateContextPayload',
  'The context has the changes, whether it had them before (`changed`) or not.',
);

/** Which context. */
export const idArg = builder.args((t) => ({
  id: t.id({ required: true, description: 'The id: 1 to 512 bytes of UTF-8.' }),
}));

/** What every write takes beside what it changes, and a restore as well. */
export const expectationArgs = builder.args((t) => ({
  expectedVersion: t.field({
    type: 'SafeInt',
    description:
      'Refuse with VersionConflictError unless the context is at this version. For setContext and restoreContext 0 means: unless there is none.',
  }),
  expectedEpoch: t.id({
    description: 'Refuse with VersionConflictError unless the context is in this epoch, at any version.',
  }),
  origin: t.string({ description: 'A label of the writer, sent along with the delta. 1 to 255 bytes.' }),
}));

const conditionArgs = {
  ...expectationArgs,
  ...builder.args((t) => ({
    idempotencyKey: t.string({
      description:
        'Makes a retry safe: within `idempotencyWindowMs` the same key and request answer the first outcome and do ' +
        'nothing more. 1 to 255 bytes.',
    }),
  })),
};

const ttlArg = builder.args((t) => ({
  ttlMs: t.field({
    type: 'SafeInt',
    description: 'Time to live after each write, 1 ms to 1,000 years; null: for ever; absent: as before.',
  }),
}));

builder.mutationFields((t) => ({
  setContext: t.field({
    type: SetContextPayload,
    nullable: true,
    description: 'Replaces the whole state, or brings the context into being.',
    errors: { types: stateErrors },
    args: {
      ...idArg,
      state: t.arg({
        type: 'JSONObject',
        required: true,
        description: 'The new state; at most `maxStateBytes` heavy and `maxStateDepth` deep.',
      }),
      ...ttlArg,
      ...conditionArgs,
    },
    resolve: (_root, { id, state, ...options }, { chord }) => chord.setContext(id, state, options),
  }),
  updateContext: t.field({
    type: UpdateContextPayload,
    nullable: true,
    description: 'Merges into the state: objects merge key by key, everything else replaces.',
    errors: { types: [ContextNotFoundError, ...stateErrors] },
    args: {
      ...idArg,
      changes: t.arg({
        type: 'JSONObject',
        required: true,
        description: 'What to merge, at most `maxStateDepth` deep; `{}` changes nothing.',
      }),
      remove: t.arg({
        type: t.arg.listRef(t.arg.listRef('String', { required: true }), { required: true }),
        description:
          'Paths to remove after the merge, each a list of keys: `[["notes", "topic"]]` is one path, `["notes", "topic"]` ' +
          'would be two of one key each. A path that leads to nothing is ignored.',
      }),
      ...ttlArg,
      ...conditionArgs,
    },
    resolve: (_root, { id, changes, ...options }, { chord }) => chord.updateContext(id, changes, options),
  }),
  deleteContext: t.field({
    type: DeleteContextPayload,
    nullable: true,
    description: 'Deletes the context; whoever follows it is told.',
    errors: { types: [ContextNotFoundError, ...conditionErrors] },
    args: { ...idArg, ...conditionArgs },
    resolve: (_root, { id, ...options }, { chord }) => chord.deleteContext(id, options),
  }),
}));
