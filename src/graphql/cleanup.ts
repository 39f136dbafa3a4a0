import type { CleanupReport as CleanupReportValue, CleanupStatus as CleanupStatusValue } from '../service/chord.ts';
import { builder } from './builder.ts';
import { SortDirection } from './scalars.ts';

/** The largest number that Int can say: a pass over more, or a clock that jumped, must not fail the answer. */
const maxInt = 2 ** 31 - 1;

const CleanupReport = builder.objectRef<CleanupReportValue>('CleanupReport').implement({
  description: 'What one pass of cleanup did. No number is told beyond 2^31 - 1.',
  fields: (t) => {
    const count = (name: Exclude<keyof CleanupReportValue, 'remaining'>, description: string) =>
      t.int({ description, resolve: (report) => Math.min(report[name], maxInt) });
    return {
      contextsExpired: count('contextsExpired', 'Contexts that were removed because their time to live ran out.'),
      deltasTrimmed: count('deltasTrimmed', 'Deltas that were dropped for their age.'),
      tombstonesPurged: count('tombstonesPurged', 'Tombstones that were forgotten for their age.'),
      exportsFailed: count(
        'exportsFailed',
        'Contexts that are kept because their export failed; they are due again after a back-off.',
      ),
      remaining: t.exposeBoolean('remaining', {
        description: 'Whether something that was due when the pass began still is.',
      }),
      durationMs: count('durationMs', 'How long the pass took, in ms.'),
    };
  },
});

const CleanupStatus = builder.objectRef<CleanupStatusValue>('CleanupStatus').implement({
  description: 'The scheduler of cleanup in the process that answers.',
  fields: (t) => ({
    running: t.exposeBoolean('running', { description: 'Whether it is started.' }),
    intervalMs: t.expose('intervalMs', { type: 'SafeInt', description: 'It runs at least so often, in ms.' }),
    limit: t.exposeInt('limit', {
      nullable: true,
      description: 'How many items of a kind one batch takes on; null: the scheduler chooses.',
    }),
    lastRunAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When a pass, scheduled or not, ended last in this process; null: none did.',
      resolve: ({ lastRunAtMs }) => toDate(lastRunAtMs),
    }),
    nextRunAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the next run is planned; null: it is stopped. What becomes due sooner brings it forward.',
      resolve: ({ nextRunAtMs }) => toDate(nextRunAtMs),
    }),
    lastReport: t.field({
      type: CleanupReport,
      nullable: true,
      description: 'What the last pass did; null: none ended yet.',
      resolve: ({ lastReport }) => lastReport,
    }),
    failedRuns: t.exposeInt('failedRuns', {
      description: 'Passes that failed since the process began. The next one runs all the same.',
    }),
    failingExports: t.exposeInt('failingExports', {
      description:
        'Contexts that this process keeps only because their last export failed; at most 10,000 are counted.',
    }),
  }),
});

const RunCleanupPayload = builder.objectRef<{ readonly report: CleanupReportValue }>('RunCleanupPayload').implement({
  description: 'The pass is over.',
  fields: (t) => ({
    report: t.field({ type: CleanupReport, description: 'What it did.', resolve: ({ report }) => report }),
  }),
});

function statusPayload(name: string, description: string) {
  return builder.objectRef<{ readonly status: CleanupStatusValue }>(name).implement({
    description,
    fields: (t) => ({
      status: t.field({
        type: CleanupStatus,
        description: 'How the scheduler is now.',
        resolve: ({ status }) => status,
      }),
    }),
  });
}

const StartCleanupPayload = statusPayload('StartCleanupPayload', 'The scheduler is started.');
const StopCleanupPayload = statusPayload('StopCleanupPayload', 'The scheduler is stopped.');
const UpdateCleanupPayload = statusPayload('UpdateCleanupPayload', 'The scheduler has its new settings.');

const scheduleArgs = builder.args((t) => ({
  intervalMs: t.field({
    type: 'SafeInt',
    description: 'Run at least so often: 1 ms to 1,000 years; absent: as before.',
  }),
  limit: t.int({ description: 'So many items of a kind in one batch: 1 to 2^31 - 1; absent: as before.' }),
}));

builder.queryField('cleanup', (t) =>
  t.field({
    type: CleanupStatus,
    nullable: true,
    description: 'The scheduler of cleanup in the process that answers.',
    resolve: (_root, _args, { chord }) => chord.cleanupStatus(),
  }),
);

builder.mutationFields((t) => ({
  runCleanup: t.field({
    type: RunCleanupPayload,
    nullable: true,
    description:
      'Removes what is due: expired contexts, old deltas, old tombstones. Looks at nothing else, and waits for a pass ' +
      'that is under way in the process that answers.',
    args: {
      limit: t.arg.int({
        description:
          'At most so many contexts, as many contexts with old deltas, and as many tombstones: 1 to 2^31 - 1; absent: all.',
      }),
      offset: t.arg.int({ description: 'Leave so many of each alone; they stay due. Absent: none.' }),
      order: t.arg({
        type: SortDirection,
        description: 'By the time when they became due. Absent: ASC, what is overdue longest comes first.',
      }),
    },
    resolve: async (_root, args, { chord }) => ({ report: await chord.runCleanup(args) }),
  }),
  startCleanup: t.field({
    type: StartCleanupPayload,
    nullable: true,
    description:
      'Runs cleanup in the process that answers from now on, first at once; when it runs already, like updateCleanup.',
    args: scheduleArgs,
    resolve: async (_root, args, { chord }) => ({ status: await chord.startCleanup(args) }),
  }),
  stopCleanup: t.field({
    type: StopCleanupPayload,
    nullable: true,
    description:
      'Ends the scheduler of the process that answers. What its run has begun is finished, the rest stays due.',
    resolve: async (_root, _args, { chord }) => ({ status: await chord.stopCleanup() }),
  }),
  updateCleanup: t.field({
    type: UpdateCleanupPayload,
    nullable: true,
    description: 'Changes the scheduler of the process that answers, at once: the next run is planned anew.',
    args: scheduleArgs,
    resolve: async (_root, args, { chord }) => ({ status: await chord.updateCleanup(args) }),
  }),
}));

function toDate(momentMs: number | null): Date | null {
  return momentMs === null ? null : new Date(momentMs);
}
