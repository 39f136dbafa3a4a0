import type { ContextEvent as ContextEventValue } from '../model.ts';
import { builder } from './builder.ts';

const typeNames = {
  full: 'FullContext',
  delta: 'Delta',
  noChange: 'NoChange',
  gone: 'ContextGone',
  noContext: 'NoContext',
} as const satisfies Record<ContextEventValue['kind'], string>;

/** Where a context stands after an event. Its own file: both deltas and contexts implement or return it. */
export const ContextEvent = builder.interfaceRef<ContextEventValue>('ContextEvent').implement({
  description:
    'What a client is told of a context. Remember `epoch` and `version` of every event: they are the position.',
  fields: (t) => ({
    contextId: t.exposeID('contextId', { description: 'The id of the context.' }),
    epoch: t.exposeID('epoch', {
      description: 'The unbroken history that `version` counts in; opaque. `-` where there is no context.',
    }),
    version: t.expose('version', {
      type: 'SafeInt',
      description: 'The version that the client has after this event; its last one of a gone context, 0 of none.',
    }),
  }),
  resolveType: ({ kind }) => typeNames[kind],
});
