/** Writes whose idempotency key was used before: told what the first of them did, and done no more. */
import type { Backend } from '../backend/backend.ts';
import type { CommitResult, Outcome } from '../backend/commit.ts';
import type { Delta } from '../delta/delta.ts';
import { IdempotencyConflictError } from '../errors.ts';
import type { Position } from '../model.ts';
import type { Pending, Planned } from './batch.ts';
import { toDelta } from './sync.ts';

type Deltas = Pick<Backend, 'deltas'>;

/**
 * The write of a commit that the store knows already.
 *
 * @throws when the store names a write that has no key.
 */
export function duplicateAmong(
  planned: readonly Planned[],
  { index }: Extract<CommitResult, { kind: 'duplicate' }>,
): Pending {
  const duplicate = planned[index]?.pending;
  if (duplicate?.request.idempotency === undefined) {
    throw new Error(`The backend is broken: no write with an idempotency key has the index ${index}.`);
  }
  return duplicate;
}

/** Answers the write with what its key did. Never rejects. */
export async function settleDuplicate(
  { request, settle, fail }: Pending,
  outcome: Outcome,
  backend: Deltas,
): Promise<void> {
  if (outcome.requestHash !== request.idempotency?.requestHash) {
    fail(new IdempotencyConflictError(request.idempotency?.key ?? ''));
    return;
  }
  const { epoch, version, changed } = outcome;
  const delta = changed && request.action.verb !== 'delete' ? await retained(request.id, outcome, backend) : null;
  settle({ epoch, version, changed, duplicate: true, delta });
}

/** Null, too, when the store does not answer: that the write is stored is certain, and what its caller must know. */
async function retained(id: string, { epoch, version }: Position, backend: Deltas): Promise<Delta | null> {
  try {
    const [record] = await backend.deltas(id, { afterVersion: version - 1, limit: 1 });
    return record?.epoch === epoch && record.version === version ? toDelta(id, record) : null;
  } catch {
    return null;
  }
}
