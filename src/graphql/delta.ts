import type { Change, Delta as DeltaValue } from '../delta/delta.ts';
import { toJsonPatch, toMergePatch } from '../delta/format.ts';
import type { JsonObject } from '../delta/json.ts';
import type { DeltaPage as DeltaPageValue } from '../service/lists.ts';
import { builder } from './builder.ts';
import { ContextEvent } from './event.ts';
import { pageArgs, toInsertedRange } from './page.ts';

const ChangeAction = builder.enumType('ChangeAction', {
  description: 'What happened to a path.',
  values: {
    ADDED: { description: 'It was not there before; `value` is what is there now.' },
    MODIFIED: { description: 'It held `oldValue` and holds `value`.' },
    REMOVED: { description: 'It held `oldValue` and is gone.' },
  } as const,
});

const ChangeRef = builder.objectRef<Change>('Change').implement({
  description: 'What happened to one path. The changes of a delta commute: none leads into another.',
  fields: (t) => ({
    path: t.exposeStringList('path', { description: 'Keys from the root of the state; keys may contain dots.' }),
    action: t.field({ type: ChangeAction, description: 'What happened.', resolve: ({ action }) => action }),
    value: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The value now. JSON null, too, is null here: `action` tells the two apart.',
      resolve: (change) => (change.action === 'REMOVED' ? null : change.value),
    }),
    oldValue: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The value that the client has before the delta. JSON null, too, is null here: see `action`.',
      resolve: (change) => (change.action === 'ADDED' ? null : change.oldValue),
    }),
  }),
});

export const Delta = builder.objectRef<DeltaValue>('Delta').implement({
  description:
    'What changed from `fromVersion` to `version`. Apply it only if both `epoch` and `fromVersion` are yours.',
  interfaces: [ContextEvent],
  fields: (t) => ({
    fromVersion: t.expose('fromVersion', {
      type: 'SafeInt',
      description: 'The version that it starts from; 0 for the write that created the context.',
    }),
    changes: t.field({
      type: [ChangeRef],
      description: 'The changes in canonical form.',
      resolve: ({ changes }) => changes,
    }),
    jsonPatch: t.field({
      type: ['JSONObject'],
      description: 'The same as JSON Patch (RFC 6902), one operation for each change.',
      // Operations are flat JSON objects; an interface has no index signature.
      resolve: ({ changes }) => toJsonPatch(changes).map((operation): JsonObject => ({ ...operation })),
    }),
    mergePatch: t.field({
      type: 'JSONObject',
      nullable: true,
      description: 'The same as JSON Merge Patch (RFC 7396); null where that cannot express it (it has no null).',
      resolve: ({ changes }) => toMergePatch(changes),
    }),
    formatted: t.field({
      type: 'JSON',
      description: 'The same in the format that the server is configured for; by default a flat list of changes.',
      resolve: (delta, _args, { chord }) => chord.formatDelta(delta),
    }),
    insertedAt: t.field({
      type: 'DateTime',
      description: 'When `version` was written.',
      resolve: ({ insertedAtMs }) => new Date(insertedAtMs),
    }),
    origin: t.exposeString('origin', {
      nullable: true,
      description: 'The label that the writer gave; null when there is none or, of a merged delta, no common one.',
    }),
  }),
});

const DeltaPage = builder.objectRef<DeltaPageValue>('DeltaPage').implement({
  description: 'One page of deltas.',
  fields: (t) => ({
    nodes: t.field({ type: [Delta], description: 'The deltas.', resolve: ({ nodes }) => nodes }),
    totalCount: t.field({
      type: 'Int',
      nullable: true,
      description: 'How many of the context match; null without `contextId`.',
      resolve: (page) => page.totalCount(),
    }),
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there are more.' }),
  }),
});

builder.queryField('deltas', (t) =>
  t.field({
    type: DeltaPage,
    nullable: true,
    description: 'Retained deltas of one context by version, or of all contexts in the order of their ids.',
    args: {
      contextId: t.arg.id({ description: 'Only of this context.' }),
      after: t.arg.id({ description: 'Without `contextId`: only contexts beyond this id, in the order of the list.' }),
      afterVersion: t.arg({ type: 'SafeInt', description: 'Only deltas that lead beyond this version.' }),
      insertedBefore: t.arg({ type: 'DateTime', description: 'Only deltas written before this moment.' }),
      insertedAfter: t.arg({ type: 'DateTime', description: 'Only deltas written after this moment.' }),
      ...pageArgs,
    },
    resolve: (_root, args, { chord }) => chord.listDeltas({ ...args, ...toInsertedRange(args) }),
  }),
);
