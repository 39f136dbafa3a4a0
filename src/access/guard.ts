/**
 * The verbs as one viewer may call them: the one place where permissions are enforced, whatever the transport.
 *
 * What is not permitted is refused before anything is looked up, so that a refusal is the same whether the context is
 * there or not. Who may write and not read learns what the write did and nothing else.
 */
import { ForbiddenError, VersionConflictError } from '../errors.ts';
import type { RestoreResult } from '../service/chord.ts';
import type { ChordService } from '../service/service.ts';
import type { Verb } from './grants.ts';
import { PermittedEvents } from './permitted-events.ts';
import type { Session } from './session.ts';
import { anonymous } from './viewer.ts';

/** What resolvers call. */
export type Verbs = Pick<
  ChordService,
  | 'setContext'
  | 'updateContext'
  | 'deleteContext'
  | 'getContext'
  | 'syncContext'
  | 'follow'
  | 'listContexts'
  | 'listDeltas'
  | 'exportContext'
  | 'restoreContext'
  | 'runCleanup'
  | 'startCleanup'
  | 'stopCleanup'
  | 'updateCleanup'
  | 'cleanupStatus'
  | 'formatDelta'
>;

/**
 * By what is known: how a process is must be told also while its store is away.
 *
 * @throws UnauthenticatedError, ForbiddenError
 */
export function assertAdmin(session: Session): void {
  session.assertCurrent();
  if (!session.viewer.isAdmin) throw new ForbiddenError();
}

/** For what changes something. @throws what `assertAdmin` throws, BackendUnavailableError */
export async function requireAdmin(session: Session): Promise<void> {
  await session.ensureFresh();
  assertAdmin(session);
}

/**
 * @returns verbs that throw ForbiddenError where the viewer, as it then is, may not call them.
 */
export function guard(chord: ChordService, session: Session): Verbs {
  if (session.viewer === anonymous) return chord;
  const mayRead = (id: string) => session.mayRead(id);
  const current = async () => {
    await session.ensureFresh();
    session.assertCurrent();
  };
  const require = async (verb: Verb, id: string) => {
    await current();
    // Arguments are checked behind; until then they may be anything.
    if (typeof id !== 'string' || !session.may(verb, id)) throw new ForbiddenError();
  };
  /** A conflict, as far as it may be seen. */
  const withoutPosition = async <T>(id: string, write: Promise<T>): Promise<T> => {
    try {
      return await write;
    } catch (error) {
      if (!(error instanceof VersionConflictError) || mayRead(id)) throw error;
      throw new VersionConflictError(error.contextId, null);
    }
  };
  /** What a write did, as far as it may be seen. Permissions may change until the context is asked for. */
  const seen = async <T extends RestoreResult>(id: string, write: Promise<T>): Promise<T> => {
    const result = await withoutPosition(id, write);
    const context = async () => (mayRead(id) ? result.context() : null);
    return { ...result, delta: mayRead(id) ? result.delta : null, context };
  };
  return {
    setContext: async (id, ...rest) => {
      await require('write', id);
      return seen(id, chord.setContext(id, ...rest));
    },
    updateContext: async (id, ...rest) => {
      await require('write', id);
      return seen(id, chord.updateContext(id, ...rest));
    },
    deleteContext: async (id, ...rest) => {
      await require('delete', id);
      return withoutPosition(id, chord.deleteContext(id, ...rest));
    },
    getContext: async (id) => {
      await require('read', id);
      return chord.getContext(id);
    },
    syncContext: async (id, ...rest) => {
      await require('read', id);
      return chord.syncContext(id, ...rest);
    },
    follow: (id, position, options) => {
      const follow = (own: AbortSignal) => {
        const signal = options?.signal ? AbortSignal.any([own, options.signal]) : own;
        return chord.follow(id, position, { ...options, signal });
      };
      return new PermittedEvents({ session, id, follow });
    },
    listContexts: async (options) => {
      await current();
      return chord.listContexts(options, session.ids('list', 'read'));
    },
    listDeltas: async (options) => {
      const id = options?.contextId ?? undefined;
      await current();
      if (id === undefined) return chord.listDeltas(options, session.ids('list', 'read'));
      await require('read', id);
      return chord.listDeltas(options);
    },
    exportContext: async (id) => {
      await require('export', id);
      return chord.exportContext(id);
    },
    restoreContext: async (id, ...rest) => {
      await require('restore', id);
      return seen(id, chord.restoreContext(id, ...rest));
    },
    runCleanup: async (options) => {
      await requireAdmin(session);
      return chord.runCleanup(options);
    },
    startCleanup: async (options) => {
      await requireAdmin(session);
      return chord.startCleanup(options);
    },
    stopCleanup: async () => {
      await requireAdmin(session);
      return chord.stopCleanup();
    },
    updateCleanup: async (options) => {
      await requireAdmin(session);
      return chord.updateCleanup(options);
    },
    cleanupStatus: () => {
      assertAdmin(session);
      return chord.cleanupStatus();
    },
    formatDelta: (delta) => chord.formatDelta(delta),
  };
}
