/*
 * Writes to a store until it is killed, and tells of it: an intent before each write, and what became of it. The lines
 * are written synchronously, so that what was said before the end is not lost.
 *
 * It is started ahead of time and waits for its message, so that starting it costs its test nothing.
 */
import { writeSync } from 'node:fs';
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import { createChord } from '../../src/chord.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { ContextNotFoundError } from '../../src/errors.ts';
import { ManualClock } from '../support/clock.ts';
import { crashOptions, type Line, type Op, smallIds } from './crash-model.ts';
import { type Random, seeded } from './seeded.ts';

/** What a child is told to do. */
export interface CrashOrder {
  readonly path: string;
  readonly seed: number;
  readonly nowMs: number;
}

process.once('message', (message) => {
  // The parent is ours.
  const order = message as CrashOrder;
  run(order).catch((error: unknown) => say({ kind: 'failed', n: -1, error: String(error) }));
});

async function run({ path, seed, nowMs }: CrashOrder): Promise<void> {
  const random = seeded(seed);
  const backend = LmdbBackend.open({ path, cacheBytes: 256 * 1024 });
  const clock = new ManualClock(nowMs);
  const chord = createChord({ backend, clock, ...crashOptions });
  say({ kind: 'open' });
  let n = 0;

  const attempt = async (op: Op, act: () => Promise<object | undefined>): Promise<void> => {
    say({ kind: 'intent', op });
    try {
      const position = await act();
      const { epoch, version } = (position ?? {}) as { readonly epoch?: string; readonly version?: number };
      say({ kind: 'ack', n: op.n, ...(epoch === undefined || version === undefined ? {} : { epoch, version }) });
    } catch (error) {
      if (error instanceof ContextNotFoundError) say({ kind: 'refused', n: op.n });
      else say({ kind: 'failed', n: op.n, error: error instanceof Error ? (error.stack ?? '') : String(error) });
    }
  };
  const write = (draft: Omit<Op, 'n' | 'nowMs'>): Promise<void> => {
    const op: Op = { ...draft, n: ++n, nowMs: draft.verb === 'expire' ? nowMs + 10 : nowMs };
    const { id, verb, value = {}, ttlMs, key: idempotencyKey } = op;
    switch (verb) {
      case 'set':
        return attempt(op, () => chord.setContext(id, value, { ttlMs, idempotencyKey }));
      case 'update':
        return attempt(op, () => chord.updateContext(id, value, { ttlMs, idempotencyKey }));
      case 'delete':
        return attempt(op, () => chord.deleteContext(id, { idempotencyKey }));
      case 'expire':
        return attempt(op, () => backend.expire(id, op.nowMs));
      case 'cleanup':
        return attempt(op, () => chord.runCleanup());
    }
  };
  await write({ id: '*', verb: 'cleanup' });
  await Promise.all([
    ...smallIds.map((id) => forEver(() => write(smallWrite(id, random, `${seed}-${n}`)))),
    // Several at once: they are planned on each other and go together.
    forEver(() => Promise.all([1, 2, 3, 4].map(() => write(hotWrite(random))))),
    forEver(() => write(bigWrite(random))),
    forEver(() => Promise.all([write(shortLived(random)), write({ id: 'brief', verb: 'delete' })])),
  ]);
}

async function forEver(act: () => Promise<unknown>): Promise<never> {
  for (;;) await act();
}

function smallWrite(id: string, random: Random, unique: string): Omit<Op, 'n' | 'nowMs'> {
  const value = { [`k${random.below(8)}`]: random.below(3), inner: { [`k${random.below(4)}`]: random.text(20) } };
  const key = random.below(2) === 0 ? `${id}-${unique}` : undefined;
  const ttlMs = random.below(6) === 0 ? 1 + random.below(2) * 7_200_000 : undefined;
  const die = random.below(20);
  if (die < 12) return { id, verb: 'update', value, ttlMs, key };
  if (die < 16) return { id, verb: 'set', value, ttlMs, key };
  return die < 18 ? { id, verb: 'expire' } : { id, verb: 'delete', key };
}

function hotWrite(random: Random): Omit<Op, 'n' | 'nowMs'> {
  return { id: 'hot', verb: 'set', value: { a: random.below(1_000), b: { c: random.text(10) } } };
}

/** Some 100 kB, of which some kB change each time: its state is written down every few dozen versions. */
function bigWrite(random: Random): Omit<Op, 'n' | 'nowMs'> {
  const piece = (): JsonObject => ({ [`piece${random.below(32)}`]: random.text(3_000) });
  if (random.below(40) > 0) return { id: 'big', verb: 'update', value: piece() };
  const value = Object.fromEntries(Array.from({ length: 32 }, (_, at) => [`piece${at}`, random.text(3_000)]));
  return { id: 'big', verb: 'set', value };
}

/** Created large and deleted at once: it comes and goes in one step of the store. */
function shortLived(random: Random): Omit<Op, 'n' | 'nowMs'> {
  return { id: 'brief', verb: 'set', value: { text: random.text(random.below(50_000)) } };
}

function say(line: Line): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSome(bytes, at);
}

function writeSome(bytes: Buffer, at: number): number {
  try {
    return writeSync(1, bytes, at);
  } catch (error) {
    // The pipe is full, and the parent about to read it.
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}
