import type { ContextRecord } from '../model.ts';
import type { ContextPage as ContextPageValue } from '../service/lists.ts';
import { builder } from './builder.ts';
import { Delta } from './delta.ts';
import { pageArgs, toInsertedRange } from './page.ts';

export const Context = builder.objectRef<ContextRecord>('Context').implement({
  description: 'A versioned JSON object.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Its id: 1 to 512 bytes of UTF-8.' }),
    epoch: t.exposeID('epoch', { description: 'The unbroken history that `version` counts in; opaque, never reused.' }),
    version: t.expose('version', {
      type: 'SafeInt',
      description: 'Rises by one with each write that changes the state.',
    }),
    state: t.field({ type: 'JSONObject', description: 'The JSON object itself.', resolve: ({ state }) => state }),
    insertedAt: t.field({
      type: 'DateTime',
      description: 'When this version was written.',
      resolve: ({ insertedAtMs }) => new Date(insertedAtMs),
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When the context came into being.',
      resolve: ({ createdAtMs }) => new Date(createdAtMs),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it becomes due for removal, unless it is written before; null: never.',
      resolve: ({ expiresAtMs }) => (expiresAtMs === null ? null : new Date(expiresAtMs)),
    }),
    deltas: t.field({
      type: [Delta],
      description: 'Its retained deltas by version.',
      args: {
        afterVersion: t.arg({ type: 'SafeInt', description: 'Only deltas that lead beyond this version.' }),
        limit: t.arg.int({ required: true, defaultValue: 50, description: 'At most so many: 1 to 250.' }),
      },
      resolve: async ({ id }, args, { chord }) => (await chord.listDeltas({ contextId: id, ...args })).nodes,
    }),
  }),
});

const ContextPage = builder.objectRef<ContextPageValue>('ContextPage').implement({
  description: 'One page of contexts.',
  fields: (t) => ({
    nodes: t.field({ type: [Context], description: 'The contexts.', resolve: ({ nodes }) => nodes }),
    totalCount: t.field({
      type: 'Int',
      nullable: true,
      description: 'How many there are in all; null when that would need a look at every context.',
      resolve: (page) => page.totalCount(),
    }),
    hasNextPage: t.exposeBoolean('hasNextPage', {
      description: 'Whether to look further. With a filter that few contexts pass, a page may be short and this true.',
    }),
    endCursor: t.exposeID('endCursor', {
      nullable: true,
      description: 'Where the page stopped looking: pass it as `after` to go on.',
    }),
  }),
});

const ContextFilter = builder.inputType('ContextFilter', {
  description: 'Which contexts to list; all conditions must hold.',
  fields: (t) => ({
    ids: t.idList({ description: 'Only these: at most 250.' }),
    idPrefix: t.string({ description: 'Only ids that begin so.' }),
    version: t.field({ type: 'SafeInt', description: 'Only contexts at this version.' }),
    insertedBefore: t.field({ type: 'DateTime', description: 'Only contexts last written before this moment.' }),
    insertedAfter: t.field({ type: 'DateTime', description: 'Only contexts last written after this moment.' }),
  }),
});

builder.queryFields((t) => ({
  context: t.field({
    type: Context,
    nullable: true,
    description: 'One context; null when there is none.',
    args: { id: t.arg.id({ required: true, description: 'The id of the context.' }) },
    resolve: (_root, { id }, { chord }) => chord.getContext(id),
  }),
  contexts: t.field({
    type: ContextPage,
    nullable: true,
    description: 'Contexts, ordered by id in UTF-8 byte order.',
    args: {
      filter: t.arg({ type: ContextFilter, description: 'Which contexts; absent: all.' }),
      after: t.arg.id({ description: 'Only ids beyond this one, in the order of the list.' }),
      ...pageArgs,
    },
    resolve: (_root, { filter, ...args }, { chord }) =>
      chord.listContexts({ ...filter, ...args, ...toInsertedRange(filter ?? {}) }),
  }),
}));
