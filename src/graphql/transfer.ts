import {
  ContextNotFoundError,
  ExternalStorageError,
  InvalidStateError,
  LimitExceededError,
  NotConfiguredError,
  VersionConflictError,
} from '../errors.ts';
import type { ExportResult, RestoreResult } from '../service/chord.ts';
import { builder } from './builder.ts';
import { Context } from './context.ts';
import { Delta } from './delta.ts';
import { expectationArgs, idArg } from './write.ts';

const ExportContextPayload = builder.objectRef<ExportResult>('ExportContextPayload').implement({
  description: 'The exporter has the context.',
  fields: (t) => ({
    contextId: t.exposeID('contextId', { description: 'The id of the context.' }),
    epoch: t.exposeID('epoch', { description: 'The epoch that was exported.' }),
    version: t.expose('version', { type: 'SafeInt', description: 'The version that was exported.' }),
    exporter: t.exposeString('exporter', { description: 'The name of the exporter.' }),
  }),
});

const RestoreContextPayload = builder.objectRef<RestoreResult>('RestoreContextPayload').implement({
  description: 'The context has the state that the provider answered, whether it had it before (`changed`) or not.',
  fields: (t) => ({
    contextId: t.exposeID('contextId', { description: 'The id of the context.' }),
    epoch: t.exposeID('epoch', { description: 'The epoch in which the restore put the context.' }),
    version: t.expose('version', {
      type: 'SafeInt',
      description: 'The version at which the restore put the context: one more than before, or that of a new epoch.',
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
      description: 'What changed; null: nothing.',
      resolve: ({ delta }) => delta,
    }),
    changed: t.exposeBoolean('changed', { description: 'False: the context was as exported already.' }),
  }),
});

builder.mutationFields((t) => ({
  exportContext: t.field({
    type: ExportContextPayload,
    nullable: true,
    description: 'Hands the context to the exporter. Nothing changes here.',
    errors: {
      types: [ContextNotFoundError, NotConfiguredError, ExternalStorageError],
      union: { description: 'What was exported, or why nothing was. Keep a default branch: members may be added.' },
    },
    args: idArg,
    resolve: (_root, { id }, { chord }) => chord.exportContext(id),
  }),
  restoreContext: t.field({
    type: RestoreContextPayload,
    nullable: true,
    description:
      'Asks the provider for the context and writes what it answers: over a live context as one more version, else as a new ' +
      'epoch, whose version is the exported one or follows that of the context that was there, whichever is later.',
    errors: {
      types: [
        ContextNotFoundError,
        VersionConflictError,
        InvalidStateError,
        LimitExceededError,
        NotConfiguredError,
        ExternalStorageError,
      ],
    },
    args: { ...idArg, ...expectationArgs },
    resolve: (_root, { id, ...options }, { chord }) => chord.restoreContext(id, options),
  }),
}));
