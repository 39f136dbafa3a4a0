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
 * @returns verbs that throw ForbiddenError where the viewer, as it then is, may not call them.
 */
export function guard(chord: ChordService, session: Session): Verbs {
  if (session.viewer === anonymous) return chord;
  const mayRead = (id: string) => session.mayRead(id);
  const require = (verb: Verb, id: string) => {
    session.assertCurrent();
    // Arguments are checked behind; until then they may be anything.
    if (typeof id !== 'string' || !session.viewer.ids(verb).has(id)) throw new ForbiddenError();
  };
  const requireAdmin = () => {
    session.assertCurrent();
    if (!session.viewer.isAdmin) throw new ForbiddenError();
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
      require('write', id);
      return seen(id, chord.setContext(id, ...rest));
    },
    updateContext: async (id, ...rest) => {
      require('write', id);
      return seen(id, chord.updateContext(id, ...rest));
    },
    deleteContext: async (id, ...rest) => {
      require('delete', id);
      return withoutPosition(id, chord.deleteContext(id, ...rest));
    },
    getContext: async (id) => {
      require('read', id);
      return chord.getContext(id);
    },
    syncContext: async (id, ...rest) => {
      require('read', id);
      return chord.syncContext(id, ...rest);
    },
    follow: (id, position, options) => {
      const permit = session.permit(id);
      const signals = [permit.signal, ...(options?.signal ? [options.signal] : [])];
      try {
        return new PermittedEvents(chord.follow(id, position, { signal: AbortSignal.any(signals) }), permit);
      } catch (error) {
        permit.release();
        throw error;
      }
    },
    listContexts: async (options) => {
      session.assertCurrent();
      return chord.listContexts(options, session.viewer.ids('list', 'read'));
    },
    listDeltas: async (options) => {
      const id = options?.contextId ?? undefined;
      session.assertCurrent();
      if (id === undefined) return chord.listDeltas(options, session.viewer.ids('list', 'read'));
      require('read', id);
      return chord.listDeltas(options);
    },
    exportContext: async (id) => {
      require('export', id);
      return chord.exportContext(id);
    },
    restoreContext: async (id, ...rest) => {
      require('restore', id);
      return seen(id, chord.restoreContext(id, ...rest));
    },
    runCleanup: async (options) => {
      requireAdmin();
      return chord.runCleanup(options);
    },
    startCleanup: async (options) => {
      requireAdmin();
      return chord.startCleanup(options);
    },
    stopCleanup: async () => {
      requireAdmin();
      return chord.stopCleanup();
    },
    updateCleanup: async (options) => {
      requireAdmin();
      return chord.updateCleanup(options);
    },
    cleanupStatus: () => {
      requireAdmin();
      return chord.cleanupStatus();
    },
    formatDelta: (delta) => chord.formatDelta(delta),
  };
}
