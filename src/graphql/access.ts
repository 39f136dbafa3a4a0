import type { RevocationPage as RevocationPageValue } from '../access/admin.ts';
import type { Revocation as RevocationValue } from '../access/revocation-list.ts';
import { LimitExceededError, NotConfiguredError } from '../errors.ts';
import { builder } from './builder.ts';
import './errors.ts';

const Revocation = builder.objectRef<RevocationValue>('Revocation').implement({
  description:
    'Access that was withdrawn. It concerns credentials that were issued before it; later ones permit what they say.',
  fields: (t) => ({
    revocationId: t.exposeID('id', { description: 'What `endRevocation` takes.' }),
    viewerId: t.exposeID('viewerId', { nullable: true, description: 'Whose access; null: that of every viewer.' }),
    contextId: t.exposeID('contextId', { nullable: true, description: 'To which context; null: to all of them.' }),
    revokedAt: t.field({
      type: 'DateTime',
      description: 'When it was withdrawn.',
      resolve: ({ revokedAtMs }) => new Date(revokedAtMs),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the revocation is forgotten; null: not before `endRevocation`.',
      resolve: ({ expiresAtMs }) => (expiresAtMs === null ? null : new Date(expiresAtMs)),
    }),
  }),
});

const RevokeAccessPayload = builder
  .objectRef<{ readonly revocation: RevocationValue }>('RevokeAccessPayload')
  .implement({
    description: 'The access is withdrawn: by every process within a second.',
    fields: (t) => ({
      revocation: t.field({
        type: Revocation,
        description: 'As it is stored.',
        resolve: ({ revocation }) => revocation,
      }),
    }),
  });

const EndRevocationPayload = builder
  .objectRef<{ readonly revocation: RevocationValue | null }>('EndRevocationPayload')
  .implement({
    description: 'The revocation is forgotten.',
    fields: (t) => ({
      revocation: t.field({
        type: Revocation,
        nullable: true,
        description: 'What was forgotten; null: there was none with this id.',
        resolve: ({ revocation }) => revocation,
      }),
    }),
  });

const RevocationPage = builder.objectRef<RevocationPageValue>('RevocationPage').implement({
  description: 'One page of revocations.',
  fields: (t) => ({
    nodes: t.field({ type: [Revocation], description: 'The revocations.', resolve: ({ nodes }) => nodes }),
    totalCount: t.exposeInt('totalCount', { description: 'How many there are in all.' }),
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there are more.' }),
  }),
});

builder.queryField('revocations', (t) =>
  t.field({
    type: RevocationPage,
    nullable: true,
    description: 'The revocations that count, in the order in which they were made. For administrators.',
    args: {
      viewerId: t.arg.id({ description: 'Only those of this viewer.' }),
      contextId: t.arg.id({ description: 'Only those to this context.' }),
      limit: t.arg.int({ required: true, defaultValue: 50, description: 'At most so many: 1 to 250.' }),
      offset: t.arg.int({ required: true, defaultValue: 0, description: 'Leave out so many.' }),
    },
    resolve: (_root, args, { access }) => access.revocations(args),
  }),
);

builder.mutationFields((t) => ({
  revokeAccess: t.field({
    type: RevokeAccessPayload,
    nullable: true,
    errors: { types: [NotConfiguredError, LimitExceededError] },
    description:
      'Withdraws access from a viewer, to a context, or both; one of the two must be named. Subscriptions that lose it ' +
      'end, and so does a WebSocket whose viewer loses all. For administrators.',
    args: {
      viewerId: t.arg.id({ description: 'Whose access; absent: that of every viewer.' }),
      contextId: t.arg.id({ description: 'To which context; absent: to all.' }),
      expiresAt: t.arg({
        type: 'DateTime',
        description: 'When the credentials that it concerns have run out. Absent: remembered until `endRevocation`.',
      }),
    },
    resolve: async (_root, { expiresAt, ...args }, { access }) => ({
      revocation: await access.revokeAccess({ ...args, expiresAtMs: expiresAt?.getTime() }),
    }),
  }),
  endRevocation: t.field({
    type: EndRevocationPayload,
    nullable: true,
    description: 'Forgets a revocation. For administrators.',
    args: { id: t.arg.id({ required: true, description: 'The id of the revocation.' }) },
    resolve: async (_root, { id }, { access }) => ({ revocation: await access.endRevocation(id) }),
  }),
}));
