import type { ContextEvent as ContextEventValue, ContextRecord } from '../model.ts';
import type { ContextPage as ContextPageValue } from '../service/service.ts';
import { builder } from './builder.ts';
import { Delta } from './delta.ts';
import { ContextEvent } from './event.ts';
import { pageArgs, toInsertedRange } from './page.ts';
import type { RequestScope } from './request.ts';

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

type EventOf<Kind extends ContextEventValue['kind']> = Extract<ContextEventValue, { kind: Kind }>;

const FullContextReason = builder.enumType('FullContextReason', {
  description: 'Why the whole context is sent.',
  values: {
    NO_POSITION: { description: 'The client has no position.' },
    EPOCH_CHANGED: { description: 'The client knows another life of the context.' },
    CLIENT_AHEAD: { description: 'The client knows a version that the store does not have.' },
    TOO_OLD: { description: 'The deltas that the client lacks are not retained.' },
    SMALLER: { description: 'The merged delta would be larger than the context, or merge too many.' },
  } as const,
});

builder.objectRef<EventOf<'full'>>('FullContext').implement({
  description: 'The whole context: replace what you have.',
  interfaces: [ContextEvent],
  fields: (t) => ({
    reason: t.field({ type: FullContextReason, description: 'Why not a delta.', resolve: ({ reason }) => reason }),
    context: t.field({ type: Context, description: 'The context.', resolve: ({ context }) => context }),
  }),
});

builder.objectRef<EventOf<'noChange'>>('NoChange').implement({
  description: 'The client has the current version.',
  interfaces: [ContextEvent],
});

const GoneCause = builder.enumType('GoneCause', {
  description: 'Why a context is gone.',
  values: {
    DELETED: { description: 'It was deleted.' },
    EXPIRED: { description: 'Its time to live ran out.' },
  } as const,
});

builder.objectRef<EventOf<'gone'>>('ContextGone').implement({
  description: 'The context is gone: drop its state and position. A subscription stays open for its next life.',
  interfaces: [ContextEvent],
  fields: (t) => ({
    cause: t.field({ type: GoneCause, description: 'Why.', resolve: ({ cause }) => cause }),
    at: t.field({ type: 'DateTime', description: 'Since when.', resolve: ({ atMs }) => new Date(atMs) }),
  }),
});

builder.objectRef<EventOf<'noContext'>>('NoContext').implement({
  description: 'There is no such context, nor a trace of one: version 0, epoch `-`. Only in subscriptions.',
  interfaces: [ContextEvent],
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

const clientVersionArg = 'The version that the client has; 0 or absent: none.';
const clientEpochArg = 'The epoch that the version belongs to. Always send both.';

builder.queryFields((t) => ({
  context: t.field({
    type: Context,
    nullable: true,
    description: 'One context; null when there is none.',
    args: { id: t.arg.id({ required: true, description: 'The id.' }) },
    resolve: (_root, { id }, { chord }) => chord.getContext(id),
  }),
  contexts: t.field({
    type: ContextPage,
    nullable: true,
    description: 'Contexts, ordered by id in UTF-8 byte order.',
    args: {
      filter: t.arg({ type: ContextFilter, description: 'Which ones.' }),
      after: t.arg.id({ description: 'Only ids beyond this one, in the order of the list.' }),
      ...pageArgs,
    },
    resolve: (_root, { filter, ...args }, { chord }) =>
      chord.listContexts({ ...filter, ...args, ...toInsertedRange(filter ?? {}) }),
  }),
  syncContext: t.field({
    type: ContextEvent,
    nullable: true,
    description:
      'What a client lacks: nothing, one merged delta, or the whole context. Null: there is no trace of one.',
    args: {
      id: t.arg.id({ required: true, description: 'The id.' }),
      clientVersion: t.arg({ type: 'SafeInt', description: clientVersionArg }),
      clientEpoch: t.arg.id({ description: clientEpochArg }),
    },
    resolve: (_root, { id, ...position }, { chord }) => chord.syncContext(id, position),
  }),
}));

builder.subscriptionField('contextChanged', (t) =>
  t.field({
    type: ContextEvent,
    description:
      'First what `syncContext` answers to the same arguments, then every later change. Over server-sent events each ' +
      'event carries the position as its id, and Last-Event-ID outranks the arguments.',
    args: {
      id: t.arg.id({ required: true, description: 'The id; there need not be a context yet.' }),
      clientVersion: t.arg({ type: 'SafeInt', description: clientVersionArg }),
      clientEpoch: t.arg.id({ description: clientEpochArg }),
    },
    subscribe: (_root, args, scope) => scope.chord.follow(args.id, positionOf(args, scope)),
    resolve: (event: ContextEventValue, _args, scope) => {
      scope.onPosition?.(event);
      return event;
    },
  }),
);

/** `Last-Event-ID` outranks the arguments, also when it says that there is no position. */
function positionOf(
  args: { readonly clientVersion?: number | null | undefined; readonly clientEpoch?: string | null | undefined },
  { resumeFrom }: RequestScope,
) {
  if (resumeFrom === undefined) return args;
  return resumeFrom === null ? {} : { clientVersion: resumeFrom.version, clientEpoch: resumeFrom.epoch };
}
