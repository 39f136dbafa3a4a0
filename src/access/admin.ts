/** What only administrators may ask and do, beside the verbs: access and those who have it. */
import { BadUserInputError, NotConfiguredError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import { assertAdmin, requireAdmin } from './guard.ts';
import { type ReportPage, type ReportPageOptions, toReportPage } from './report-page.ts';
import type { Revocation } from './revocation-list.ts';
import type { Revocations, RevokeOptions } from './revocations.ts';
import type { Session } from './session.ts';

/** Which revocations; all conditions must hold. Null counts as absent. */
export interface ListRevocationsOptions extends ReportPageOptions {
  readonly viewerId?: string | null | undefined;
  readonly contextId?: string | null | undefined;
}

/** One page of them. */
export type RevocationPage = ReportPage<Revocation>;

/** Which access was withdrawn, for every process on the same store. */
export interface AccessVerbs {
  /** @throws NotConfiguredError where nobody is asked who they are, and what `Revocations.revoke` throws. */
  revokeAccess(options: RevokeOptions): Promise<Revocation>;
  /** Answers what was forgotten; null: there was none with this id. */
  endRevocation(id: string): Promise<Revocation | null>;
  /** In the order in which they were made. */
  revocations(options?: ListRevocationsOptions | null): Promise<RevocationPage>;
}

/** For whom. */
export interface AccessParts {
  readonly session: Session;
  /** Whether nobody is asked who they are. */
  readonly isOpen: boolean;
  readonly logger: Logger;
}

/** @returns verbs that throw ForbiddenError for whoever is no administrator. */
export function guardAccess(revocations: Revocations, { session, isOpen, logger }: AccessParts): AccessVerbs {
  return {
    revokeAccess: async (options) => {
      // Whoever comes is anonymous, and would come again.
      if (isOpen) throw new NotConfiguredError('authenticate');
      await requireAdmin(session);
      const { viewer } = session;
      if (options.contextId == null && options.viewerId === viewer.id) {
        throw new BadUserInputError('viewerId', 'another viewer than yourself, who could not undo it');
      }
      const revocation = await revocations.revoke(options);
      logger.info('access revoked', toFields(revocation, session));
      return revocation;
    },
    endRevocation: async (id) => {
      await requireAdmin(session);
      const revocation = await revocations.end(id);
      if (revocation !== null) logger.info('revocation ended', toFields(revocation, session));
      return revocation;
    },
    revocations: async (options) => {
      assertAdmin(session);
      return pageOf(await revocations.read(), options ?? {});
    },
  };
}

/** Ids of contexts may say who somebody is: the list has them. */
function toFields({ id, viewerId, contextId, expiresAtMs }: Revocation, { viewer }: Session): Record<string, unknown> {
  const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs);
  return {
    revocationId: id,
    revokedViewerId: viewerId,
    isOfContext: contextId !== null,
    expiresAt,
    viewerId: viewer.id,
  };
}

function pageOf(all: readonly Revocation[], { viewerId, contextId, ...page }: ListRevocationsOptions): RevocationPage {
  const found = all.filter(
    (revocation) =>
      (viewerId == null || revocation.viewerId === viewerId) &&
      (contextId == null || revocation.contextId === contextId),
  );
  return toReportPage(found, page);
}
