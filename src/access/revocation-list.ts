/** Which access was withdrawn: the list that all processes share, as text and as something to look up in. */
import { z } from 'zod';
import { ForbiddenError, type UnauthenticatedError } from '../errors.ts';
import { revoked } from './refusals.ts';
import type { Viewer } from './viewer.ts';

/** Access that was withdrawn from a viewer, to a context, or both. It concerns credentials that were issued before. */
export interface Revocation {
  readonly id: string;
  /** Null: every viewer. */
  readonly viewerId: string | null;
  /** Null: every context, so the viewer is not let in at all. */
  readonly contextId: string | null;
  readonly revokedAtMs: number;
  /** When the credentials that it concerns have run out; null: it is not forgotten by itself. */
  readonly expiresAtMs: number | null;
}

/** It is remembered for so much longer: tokens are good for `jwtClockToleranceMs` more, and clocks differ. */
export const marginMs = 3_600_000;

const moment = z.number().int().nonnegative();

const schema = z.array(
  z.strictObject({
    id: z.string(),
    viewerId: z.string().nullable(),
    contextId: z.string().nullable(),
    revokedAtMs: moment,
    expiresAtMs: moment.nullable(),
  }),
);

/** @throws an Error for a text that is no such list. It quotes nothing of it. */
export function parseRevocations(text: string): readonly Revocation[] {
  const { data, error } = schema.safeParse(JSON.parse(text));
  if (data === undefined) throw new Error('The stored list of revocations is none.', { cause: error.issues[0]?.code });
  return data;
}

/** When the access was withdrawn last: credentials that were issued later are not concerned. */
interface OfViewer {
  /** To all contexts; undefined: it was not. */
  wholeMs: number | undefined;
  readonly contexts: Map<string, number>;
}

/** Answers whom a list concerns without going through all of it. */
export class RevocationList {
  /** In the order in which they were made. */
  readonly all: readonly Revocation[];
  readonly #ofViewers = new Map<string, OfViewer>();
  /** By context, those that concern every viewer. */
  readonly #ofEverybody = new Map<string, number>();
  readonly #hidden = new WeakMap<Viewer, ReadonlySet<string>>();

  constructor(all: readonly Revocation[]) {
    this.all = all;
    for (const { viewerId, contextId, revokedAtMs } of all) {
      if (viewerId === null) {
        if (contextId !== null) keepLatest(this.#ofEverybody, contextId, revokedAtMs);
        continue;
      }
      const ofViewer = this.#ofViewers.get(viewerId) ?? { wholeMs: undefined, contexts: new Map<string, number>() };
      this.#ofViewers.set(viewerId, ofViewer);
      if (contextId === null) ofViewer.wholeMs = Math.max(ofViewer.wholeMs ?? 0, revokedAtMs);
      else keepLatest(ofViewer.contexts, contextId, revokedAtMs);
    }
  }

  /** Those that are not to be forgotten yet at that moment; the same list when that is all. */
  at(nowMs: number): RevocationList {
    const left = this.all.filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs + marginMs > nowMs);
    return left.length === this.all.length ? this : new RevocationList(left);
  }

  /** Why a viewer is not let in; undefined: it is. */
  refusalOf(viewer: Viewer): UnauthenticatedError | undefined {
    return concerns(this.#ofViewers.get(viewer.id)?.wholeMs, viewer) ? revoked() : undefined;
  }

  /** Why a viewer may do nothing with a context, whatever its grants say; undefined: it may. */
  refusalOn(viewer: Viewer, id: string): ForbiddenError | undefined {
    const isRevoked =
      concerns(this.#ofViewers.get(viewer.id)?.contexts.get(id), viewer) || concerns(this.#ofEverybody.get(id), viewer);
    return isRevoked ? new ForbiddenError() : undefined;
  }

  /** The contexts that are closed to a viewer. */
  hiddenFrom(viewer: Viewer): ReadonlySet<string> {
    const known = this.#hidden.get(viewer);
    if (known !== undefined) return known;
    const hidden = new Set<string>();
    for (const contexts of [this.#ofViewers.get(viewer.id)?.contexts, this.#ofEverybody]) {
      for (const [id, revokedAtMs] of contexts ?? []) if (concerns(revokedAtMs, viewer)) hidden.add(id);
    }
    this.#hidden.set(viewer, hidden);
    return hidden;
  }
}

/** Credentials that were issued afterwards were issued in the knowledge of it. */
function concerns(revokedAtMs: number | undefined, { issuedAtMs }: Viewer): boolean {
  return revokedAtMs !== undefined && (issuedAtMs === null || issuedAtMs <= revokedAtMs);
}

function keepLatest(map: Map<string, number>, key: string, ms: number): void {
  map.set(key, Math.max(map.get(key) ?? 0, ms));
}
