/** What must hold of everything that was written down while processes were replaced. Pure: records in, problems out. */
import type { FollowerRecord } from './rolling-follower.ts';

/** One write, sent until it was acknowledged or given up. Each adds one field to its context. */
export interface WriteRecord {
  readonly contextId: string;
  /** Also its idempotency key. */
  readonly field: string;
  readonly attempts: number;
  /** What was acknowledged; undefined: nothing was. */
  readonly version: number | undefined;
  readonly duplicate: boolean;
  /** From the first attempt to the answer. */
  readonly tookMs: number;
}

/** A context as the store has it at the end. */
export interface FinalContext {
  readonly version: number;
  readonly fields: readonly string[];
}

/** Everything that anybody wrote down. */
export interface RollingRecord {
  readonly followers: readonly FollowerRecord[];
  readonly writes: readonly WriteRecord[];
  readonly contexts: ReadonlyMap<string, FinalContext>;
}

/** Nothing: no delta was lost or came twice, and every write was acknowledged and is there, once. */
export function problemsIn({ followers, writes, contexts }: RollingRecord): readonly string[] {
  const ofContexts = [...contexts].flatMap(([id, context]) =>
    problemsOfWrites(
      id,
      context,
      writes.filter(({ contextId }) => contextId === id),
    ),
  );
  return [...ofContexts, ...followers.flatMap((follower) => problemsOf(follower, contexts.get(follower.contextId)))];
}

function problemsOfWrites(id: string, { version, fields }: FinalContext, writes: readonly WriteRecord[]): string[] {
  const problems: string[] = [];
  const seen = new Map<number, string>();
  const stored = new Set(fields);
  for (const { field, version: own } of writes) {
    if (own === undefined) {
      problems.push(`${id}: the write ${field} was never acknowledged`);
      continue;
    }
    if (!stored.has(field)) problems.push(`${id}: the write ${field} was acknowledged and is lost`);
    const other = seen.get(own);
    if (other !== undefined) problems.push(`${id}: version ${own} was given to ${other} and ${field}`);
    seen.set(own, field);
  }
  // Version 1 made it. A write that was done twice would have counted twice.
  if (version !== writes.length + 1) problems.push(`${id}: ${writes.length} writes made it version ${version}`);
  return problems;
}

function problemsOf({ name, events, failures }: FollowerRecord, final: FinalContext | undefined): string[] {
  const problems = failures.map((failure) => `${name}: ${failure}`);
  const [first, ...others] = events;
  if (first === undefined || final === undefined) return [...problems, `${name}: it heard nothing`];
  if (first.kind !== 'FullContext' || first.reason !== 'NO_POSITION')
    problems.push(`${name}: began with ${first.kind}`);
  const heard = new Set(first.added);
  let at = first;
  for (const event of others) {
    const { kind, epoch, fromVersion, version, added } = event;
    const where = `${name}: ${kind} ${fromVersion ?? ''}→${version} at ${at.version}`;
    if (kind !== 'Delta' && kind !== 'NoChange') problems.push(`${where}: ${event.reason ?? 'why'}`);
    if (epoch !== at.epoch) problems.push(`${where}: another epoch`);
    const expected = kind === 'Delta' ? fromVersion : version;
    if (expected !== undefined && expected > at.version) problems.push(`${where}: a delta is lost`);
    if (expected !== undefined && expected < at.version) problems.push(`${where}: a delta came twice`);
    if (kind === 'Delta' && added.length !== version - at.version) problems.push(`${where}: ${added.length} fields`);
    if (event.others > 0) problems.push(`${where}: ${event.others} changes that nobody made`);
    for (const field of added) {
      if (heard.has(field)) problems.push(`${where}: ${field} came twice`);
      heard.add(field);
    }
    at = event;
  }
  if (at.version !== final.version)
    problems.push(`${name}: it ended at ${at.version}, the context at ${final.version}`);
  const missing = final.fields.filter((field) => !heard.has(field));
  if (missing.length > 0) problems.push(`${name}: it never heard of ${missing.join(', ')}`);
  return problems;
}

/** Times in ms. */
export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** How long followers were away, by what they connect with, and in all. */
export function awayIn(followers: readonly FollowerRecord[]): ReadonlyMap<string, Spread> {
  const byWay = new Map<string, readonly number[]>();
  for (const { name, awayMs } of followers) {
    for (const way of ['all', name.split(' ')[0] ?? '']) byWay.set(way, [...(byWay.get(way) ?? []), ...awayMs]);
  }
  return new Map([...byWay].map(([way, times]) => [way, spreadOf(times)]));
}

function spreadOf(times: readonly number[]): Spread {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return { count: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: at(1) };
}
