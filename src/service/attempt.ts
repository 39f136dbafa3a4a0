import type { Base, CommitOptions, Write } from '../backend/commit.ts';
import type { Planned } from './batch.ts';

/** What is handed to the store. */
export interface Commit {
  readonly planned: readonly Planned[];
  readonly base: Base;
  readonly writes: readonly Write[];
  readonly options: CommitOptions;
}

/** An attempt of a commit. Its epoch is made when the store asks for it, which one that knows better never does. */
export class Attempt implements CommitOptions {
  readonly nowMs: number;
  readonly attempt: number;
  readonly #newEpoch: () => string;
  #freshEpoch: string | undefined;

  constructor(nowMs: number, attempt: number, newEpoch: () => string) {
    this.nowMs = nowMs;
    this.attempt = attempt;
    this.#newEpoch = newEpoch;
  }

  get freshEpoch(): string {
    this.#freshEpoch ??= this.#newEpoch();
    return this.#freshEpoch;
  }
}

/** A write as the store takes it; its idempotency key, if it has one, counts until `expiresAtMs`. */
export function toWrite({ pending: { request }, decision }: Planned, expiresAtMs: number): Write {
  const { writeId, idempotency } = request;
  const { step, changed } = decision;
  if (idempotency === undefined) return { writeId, step };
  return { writeId, step, idempotency: { ...idempotency, changed, expiresAtMs } };
}
