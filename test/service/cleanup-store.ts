import type { Due, DueKind, DueOptions, Lease } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { BackendUnavailableError } from '../../src/errors.ts';
import type { ExportedContext, Exporter } from '../../src/external/external.ts';
import type { Position } from '../../src/model.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';

/** A store that shows what cleanup asks of it, lets a test act in between, and fails when it is told to. */
export class CleanupStore extends FaultyBackend {
  /** Runs before a step that removes, and may throw. */
  beforeExpire: ((id: string) => Promise<void> | void) | undefined;
  /** Runs before what is due is told, and may throw. */
  beforeDue: ((kind: DueKind) => Promise<void> | void) | undefined;
  /** Whether the holder of a lease has lost it. */
  isLeaseLost = false;
  /** How often a lease was asked for. */
  leases = 0;
  /** What was removed, in order. */
  readonly expired: string[] = [];
  readonly asked: { readonly kind: DueKind; readonly limit: number }[] = [];

  constructor(inner = new MemoryBackend()) {
    super(inner);
  }

  override async due(kind: DueKind, beforeMs: number, options: DueOptions): Promise<readonly Due[]> {
    await this.beforeDue?.(kind);
    this.asked.push({ kind, limit: options.limit });
    return super.due(kind, beforeMs, options);
  }

  override async expire(id: string, nowMs: number, at?: Position): Promise<Position | undefined> {
    await this.beforeExpire?.(id);
    const removed = await super.expire(id, nowMs, at);
    if (removed !== undefined) this.expired.push(id);
    return removed;
  }

  override async lease(name: string, ttlMs: number, nowMs: number): Promise<Lease | undefined> {
    this.leases++;
    const lease = await super.lease(name, ttlMs, nowMs);
    if (lease === undefined) return undefined;
    return {
      fence: lease.fence,
      renew: async (laterMs) => !this.isLeaseLost && lease.renew(laterMs),
      release: () => lease.release(),
    };
  }
}

/** What a store says that is away. */
export function away(): never {
  throw new BackendUnavailableError('The store is away.', 'NOT_STORED');
}

/** Keeps what is exported, and does what a test wants before. */
export class RecordingExporter implements Exporter {
  readonly name = 'recording';
  readonly exported: ExportedContext[] = [];
  calls = 0;
  before: ((record: ExportedContext, signal: AbortSignal) => Promise<void> | void) | undefined;

  async exportContext(record: ExportedContext, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.calls++;
    await this.before?.(record, signal);
    this.exported.push(record);
  }
}

/** A point that whoever passes waits at until it is opened. */
export function createGate() {
  let resolve: (() => void) | undefined;
  const passed = new Promise<void>((pass) => {
    resolve = pass;
  });
  return { passed, open: () => resolve?.() };
}
