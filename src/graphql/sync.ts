import type { ClientPosition, ContextEvent as ContextEventValue } from '../model.ts';
import { builder } from './builder.ts';
import { Context } from './context.ts';
import { ContextEvent } from './event.ts';

type EventOf<Kind extends ContextEventValue['kind']> = Extract<ContextEventValue, { kind: Kind }>;

const FullContextReason = builder.enumType('FullContextReason', {
  description: 'Why the whole context is sent.',
  values: {
    NO_POSITION: { description: 'The client has no position.' },
    EPOCH_CHANGED: { description: 'The client has a position in another epoch of the context.' },
    CLIENT_AHEAD: { description: 'The client has a later version than the store.' },
    TOO_OLD: { description: 'The deltas that the client lacks are not retained.' },
    SMALLER: { description: 'The merged delta is heavier than the state, or would merge more than `maxMergeDeltas`.' },
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
  description: 'The context is gone: drop its state and position. A subscription stays open for its next epoch.',
  interfaces: [ContextEvent],
  fields: (t) => ({
    cause: t.field({ type: GoneCause, description: 'Why it is gone.', resolve: ({ cause }) => cause }),
    at: t.field({ type: 'DateTime', description: 'When it went.', resolve: ({ atMs }) => new Date(atMs) }),
  }),
});

builder.objectRef<EventOf<'noContext'>>('NoContext').implement({
  description: 'There is no such context, nor a trace of one: version 0, epoch `-`. Only in subscriptions.',
  interfaces: [ContextEvent],
});

const positionArgs = builder.args((t) => ({
  clientVersion: t.field({ type: 'SafeInt', description: 'The version that the client has; 0 or absent: none.' }),
  clientEpoch: t.id({ description: 'The epoch that the version belongs to. Always send both.' }),
}));

builder.queryField('syncContext', (t) =>
  t.field({
    type: ContextEvent,
    nullable: true,
    description:
      'What a client lacks: `NoChange`, one merged `Delta`, the `FullContext` with the reason, or that the context is gone ' +
      '(`ContextGone`). Null: there is neither a context nor a trace of one.',
    args: { id: t.arg.id({ required: true, description: 'The id of the context.' }), ...positionArgs },
    resolve: (_root, { id, ...args }, { chord }) => chord.syncContext(id, toPosition(args)),
  }),
);

builder.subscriptionField('contextChanged', (t) =>
  t.field({
    type: ContextEvent,
    description:
      'First what `syncContext` answers to the same arguments, then every later change. Over server-sent events each ' +
      'event carries the position as its id, and Last-Event-ID outranks the arguments.',
    args: {
      id: t.arg.id({ required: true, description: 'The id of the context; there need not be one yet.' }),
      ...positionArgs,
    },
    subscribe: (_root, { id, ...args }, { chord, resumeFrom, onFollow, by }) => {
      // `Last-Event-ID` outranks the arguments, also when it says that there is no position.
      const position = resumeFrom === undefined ? toPosition(args) : (resumeFrom ?? {});
      const events = chord.follow(id, position, { by });
      return onFollow?.(events) ?? events;
    },
    resolve: (event: ContextEventValue, _args, scope) => {
      scope.onPosition?.(event);
      return event;
    },
  }),
);

function toPosition({
  clientVersion,
  clientEpoch,
}: {
  readonly clientVersion?: number | null | undefined;
  readonly clientEpoch?: string | null | undefined;
}): ClientPosition {
  return { version: clientVersion, epoch: clientEpoch };
}
