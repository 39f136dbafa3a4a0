import type {
  ConnectionPage as ConnectionPageValue,
  ConnectionReport,
  ServerReport,
  SubscriptionReport,
} from '../access/report.ts';
import { builder } from './builder.ts';

const Server = builder.objectRef<ServerReport>('Server').implement({
  description: 'The process that answers, and its store. Another process answers for itself.',
  fields: (t) => ({
    version: t.exposeString('version', { description: 'Of Chord.' }),
    startedAt: t.field({
      type: 'DateTime',
      description: 'When the process began.',
      resolve: ({ startedAtMs }) => new Date(startedAtMs),
    }),
    backend: t.exposeString('backend', { description: 'What keeps the contexts: the option `backend`, or `own`.' }),
    storeId: t.exposeID('storeId', { description: 'The identity of the store; another one begins new epochs.' }),
    isReady: t.exposeBoolean('isReady', { description: 'Whether the store answers.' }),
    webSocketCount: t.exposeInt('webSocketCount', { description: 'WebSockets that are open.' }),
    eventStreamCount: t.exposeInt('eventStreamCount', { description: 'Event streams that are open.' }),
    subscriptionCount: t.exposeInt('subscriptionCount', {
      description: 'Subscriptions, those of the library in the same process included.',
    }),
    behindCount: t.exposeInt('behindCount', {
      description: 'Subscriptions that are not told yet what is new: their readers are slow, or it is on the way.',
    }),
    watchedContextCount: t.exposeInt('watchedContextCount', {
      description: 'Contexts that somebody is subscribed to.',
    }),
    queuedWriteCount: t.exposeInt('queuedWriteCount', { description: 'Writes that wait for their turn.' }),
  }),
});

const ConnectionTransport = builder.enumType('ConnectionTransport', {
  description: 'How subscriptions reach a client.',
  values: {
    WEBSOCKET: { description: 'A WebSocket with any number of subscriptions.' },
    EVENT_STREAM: { description: 'Server-sent events, of one subscription.' },
  },
});

const Subscribed = builder.objectRef<SubscriptionReport>('ConnectionSubscription').implement({
  description: 'One subscription of a connection.',
  fields: (t) => ({
    contextId: t.exposeID('contextId', { description: 'The context that is followed.' }),
    epoch: t.id({
      nullable: true,
      description: 'The epoch that was told last; null before the first event.',
      resolve: ({ position }) => position?.epoch,
    }),
    version: t.field({
      type: 'SafeInt',
      nullable: true,
      description: 'The version that was told last; null before the first event.',
      resolve: ({ position }) => position?.version,
    }),
    isBehind: t.exposeBoolean('isBehind', { description: 'Whether it is not told yet what is new.' }),
  }),
});

const Connection = builder.objectRef<ConnectionReport>('Connection').implement({
  description: 'A client that is connected to the process that answers.',
  fields: (t) => ({
    connectionId: t.exposeID('id', { description: 'Of this process; the log has it when a WebSocket ends.' }),
    transport: t.field({
      type: ConnectionTransport,
      description: 'How it is connected.',
      resolve: ({ transport }) => transport,
    }),
    viewerId: t.exposeID('viewerId', { nullable: true, description: 'Who it is; null: it has not said so yet.' }),
    clientAddress: t.exposeString('clientAddress', { description: 'Where from, as far as trusted proxies tell.' }),
    connectedAt: t.field({
      type: 'DateTime',
      description: 'Since when.',
      resolve: ({ connectedAtMs }) => new Date(connectedAtMs),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its credentials run out; null: never.',
      resolve: ({ expiresAtMs }) => (expiresAtMs === null ? null : new Date(expiresAtMs)),
    }),
    unsentBytes: t.expose('unsentBytes', { type: 'SafeInt', description: 'Bytes that the client has not taken.' }),
    subscriptionCount: t.int({
      description: 'How many subscriptions it has.',
      resolve: ({ subscriptions }) => subscriptions.length,
    }),
    subscriptions: t.field({
      type: [Subscribed],
      description: 'Its subscriptions, 250 at most.',
      resolve: ({ subscriptions }) => subscriptions.slice(0, 250),
    }),
  }),
});

const ConnectionPage = builder.objectRef<ConnectionPageValue>('ConnectionPage').implement({
  description: 'One page of connections.',
  fields: (t) => ({
    nodes: t.field({ type: [Connection], description: 'The connections.', resolve: ({ nodes }) => nodes }),
    totalCount: t.exposeInt('totalCount', { description: 'How many there are in all.' }),
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there are more.' }),
  }),
});

builder.queryFields((t) => ({
  server: t.field({
    type: Server,
    nullable: true,
    description: 'The process that answers. For administrators.',
    resolve: (_root, _args, { reports }) => reports.server(),
  }),
  connections: t.field({
    type: ConnectionPage,
    nullable: true,
    description:
      'WebSockets and event streams of the process that answers, the oldest first. Looks at every subscription. For ' +
      'administrators.',
    args: {
      viewerId: t.arg.id({ description: 'Only those of this viewer.' }),
      contextId: t.arg.id({ description: 'Only those with a subscription to this context.' }),
      isBehind: t.arg.boolean({
        description:
          'Only those with unsent bytes, or a subscription that is not told yet what is new; that may last a moment.',
      }),
      limit: t.arg.int({ required: true, defaultValue: 50, description: 'At most so many: 1 to 250.' }),
      offset: t.arg.int({ required: true, defaultValue: 0, description: 'Leave out so many.' }),
    },
    resolve: (_root, args, { reports }) => reports.connections(args),
  }),
}));
