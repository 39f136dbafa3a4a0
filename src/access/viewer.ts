/** Who asks, and what they may. */
import { allIds, type Grant, type IdSet, idsOf, idsWhere, type Verb } from './grants.ts';

/** Somebody who was recognised, or the anonymous one of a server without authentication. */
export interface Viewer {
  /** Stable: limits and revocations are by it. */
  readonly id: string;
  /** When the credentials run out, in ms since the Unix epoch; null: never. */
  readonly expiresAtMs: number | null;
  /** Not later than the credentials were issued; null: nobody says. Revocations concern what was issued before them. */
  readonly issuedAtMs: number | null;
  /** The ids that all of these verbs are allowed on. */
  ids(...wanted: readonly Verb[]): IdSet;
  readonly isAdmin: boolean;
}

/** How a viewer is described, by `authenticate` in the configuration file or an API key's entry. */
export interface ViewerDescription {
  readonly id: string;
  readonly grants?: readonly Grant[] | undefined;
  /** Decides instead of grants: must answer at once. `id` is undefined for `admin`. */
  readonly may?: ((verb: Verb, id: string | undefined) => boolean) | undefined;
  readonly expiresAtMs?: number | null | undefined;
  /** When the credentials were issued. Absent: nobody says, and every revocation of the viewer concerns them. */
  readonly issuedAtMs?: number | null | undefined;
}

/** Whom a server without authentication serves: anybody, who may do everything. */
export const anonymous: Viewer = Object.freeze({
  id: 'anonymous',
  expiresAtMs: null,
  issuedAtMs: null,
  ids: () => allIds,
  isAdmin: true,
});

/** A viewer from its description. */
export function createViewer({
  id,
  grants = [],
  may,
  expiresAtMs = null,
  issuedAtMs = null,
}: ViewerDescription): Viewer {
  if (may !== undefined) {
    const allows = (verb: Verb, contextId: string | undefined): boolean =>
      answerOf(() => may(verb, contextId)) === true;
    return {
      id,
      expiresAtMs,
      issuedAtMs,
      ids: (...wanted) => idsWhere((contextId) => wanted.every((verb) => allows(verb, contextId))),
      isAdmin: allows('admin', undefined),
    };
  }
  const known = new Map<string, IdSet>();
  return {
    id,
    expiresAtMs,
    issuedAtMs,
    ids: (...wanted) => {
      const key = wanted.join();
      const ids = known.get(key) ?? idsOf(grants, wanted);
      known.set(key, ids);
      return ids;
    },
    isAdmin: grants.some((grant) => grant.may.includes('admin')),
  };
}

/** Of a function of the user's. What it throws is no yes, and neither is a promise, whatever becomes of it. */
function answerOf(ask: () => unknown): unknown {
  try {
    const answer = ask();
    if (answer instanceof Promise) answer.catch(() => undefined);
    return answer;
  } catch {
    return false;
  }
}
