import type { Viewer as ViewerValue } from '../access/viewer.ts';
import { BadUserInputError, UnauthenticatedError } from '../errors.ts';
import { builder } from './builder.ts';
import './errors.ts';

const Viewer = builder.objectRef<ViewerValue>('Viewer').implement({
  description: 'Who asks.',
  fields: (t) => ({
    viewerId: t.exposeID('id', {
      description: 'As the credentials say; `anonymous` on a server without authentication.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the credentials run out; null: never.',
      resolve: ({ expiresAtMs }) => (expiresAtMs === null ? null : new Date(expiresAtMs)),
    }),
    isAdmin: t.exposeBoolean('isAdmin', { description: 'Whether cleanup and the like are permitted.' }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: Viewer,
    nullable: true,
    description: 'Who asks.',
    resolve: (_root, _args, { session }) => session.viewer,
  }),
);

const RefreshCredentialsPayload = builder.objectRef<ViewerValue>('RefreshCredentialsPayload').implement({
  description: 'The WebSocket goes on with the new credentials.',
  fields: (t) => ({
    viewer: t.field({ type: Viewer, description: 'Who asks, from now on.', resolve: (viewer) => viewer }),
  }),
});

builder.mutationField('refreshCredentials', (t) =>
  t.field({
    type: RefreshCredentialsPayload,
    nullable: true,
    errors: { types: [UnauthenticatedError] },
    description:
      'New credentials of the same viewer, so that the subscriptions of this WebSocket go on when the old ones run out. ' +
      'Over HTTP each request brings its own.',
    args: { token: t.arg.string({ required: true, description: 'What follows `Bearer` in the header.' }) },
    resolve: async (_root, { token }, { session, refresh }) => {
      if (refresh === undefined)
        throw new BadUserInputError('refreshCredentials', 'a WebSocket, the only thing that outlives credentials');
      await refresh(token);
      return session.viewer;
    },
  }),
);
