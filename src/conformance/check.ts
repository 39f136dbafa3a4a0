import assert from 'node:assert/strict';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { Announcement, Backend, View, Watch } from '../backend/backend.ts';
import type { CommitResult } from '../backend/commit.ts';
import type { Head } from '../backend/known.ts';
import { equal, isJsonObject, type JsonObject, type JsonValue, setKey } from '../delta/json.ts';
import type { Position } from '../model.ts';

/**
 * Fails unless both are the same JSON. Properties that are undefined count as absent: a store may keep no trace of
 * them. Own keys only, so that `__proto__` is compared like any other.
 */
export function assertSame(actual: unknown, expected: unknown, what: string): void {
  if (equal(plain(actual), plain(expected))) return;
  assert.fail(`${what}\n  actual:   ${JSON.stringify(actual)}\n  expected: ${JSON.stringify(expected)}`);
}

function plain(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(plain);
  // What a store answers is made of JSON and undefined.
  if (!isJsonObject(value)) return value === undefined ? '(undefined)' : (value as JsonValue);
  const object: JsonObject = {};
  for (const [key, child] of Object.entries(value)) if (child !== undefined) setKey(object, key, plain(child));
  return object;
}

type Kinds = { readonly kind: string };

/** The value, as one of the kind that it must have. */
export function assertKind<T extends Kinds, K extends T['kind']>(
  value: T,
  kind: K,
  what: string,
): Extract<T, { readonly kind: K }> {
  assert.equal(value.kind, kind, `${what}: ${JSON.stringify(value)}`);
  // The kind was just compared.
  return value as Extract<T, { readonly kind: K }>;
}

/** A context's view; fails when there is none. */
export async function readContext(
  backend: Backend,
  id: string,
  options?: Parameters<Backend['read']>[1],
): Promise<Extract<View, { readonly kind: 'context' }>> {
  return assertKind(await backend.read(id, options), 'context', 'There must be a context');
}

/** A context's head; fails when there is none. */
export async function readHead(backend: Backend, id: string): Promise<Head> {
  const [head] = await backend.heads([id]);
  assert.ok(head !== undefined, `There must be a head of ${JSON.stringify(id)}.`);
  return head;
}

/** The versions of all retained deltas. */
export async function versionsOf(backend: Backend, id: string): Promise<readonly number[]> {
  return (await backend.deltas(id, { limit: everything })).map(({ version }) => version);
}

/** The ids that are due, in the order of the store. */
export async function dueIds(
  backend: Backend,
  kind: Parameters<Backend['due']>[0],
  beforeMs: number,
): Promise<readonly string[]> {
  return (await backend.due(kind, beforeMs, { limit: everything })).map(({ id }) => id);
}

export function assertCommitted(result: CommitResult): Extract<CommitResult, { readonly kind: 'committed' }> {
  return assertKind(result, 'committed', 'The commit must be accepted');
}

export function assertBehind(result: CommitResult): Extract<CommitResult, { readonly kind: 'behind' }> {
  return assertKind(result, 'behind', 'The commit must be behind');
}

export function assertDuplicate(result: CommitResult): Extract<CommitResult, { readonly kind: 'duplicate' }> {
  return assertKind(result, 'duplicate', 'The commit must be a duplicate');
}

export function at({ epoch, version }: Position): Position {
  return { epoch, version };
}

/** A limit that no test reaches. */
export const everything = 10_000;

/** Looks again and again until the condition holds; fails with `what` when it does not within the time. */
export async function eventually(condition: () => boolean, patienceMs: number, what: () => string): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > untilMs) assert.fail(what());
    await wait(1);
  }
}

/** Looks twice at a time, again and again, until the work has ended; fails as either does. */
export async function during(work: Promise<unknown>, look: () => Promise<void>): Promise<void> {
  const progress = { isOver: false, looks: 0 };
  const repeat = async () => {
    while (!progress.isOver) {
      await look();
      progress.looks++;
      // A store that answers without I/O would else keep the event loop, and the work, from going on.
      if (progress.looks % 8 === 0) await turn();
    }
  };
  const end = () => {
    progress.isOver = true;
  };
  await Promise.all([work.finally(end), repeat(), repeat()]);
}

/** What a listener heard of one id. */
export interface Listening {
  readonly heard: readonly Announcement[];
  readonly watch: Watch;
  /** Resolves when a move to this position was announced, or that announcements may have been lost. */
  hears(position: Position): Promise<void>;
}

export async function listen(
  backend: Backend,
  id: string,
  patienceMs: number,
  also: (announcement: Announcement) => void = () => {},
): Promise<Listening> {
  const heard: Announcement[] = [];
  const watch = await backend.watch(id, (announcement) => {
    heard.push(announcement);
    also(announcement);
  });
  const hears = (position: Position) =>
    eventually(
      () => heard.some((announcement) => tellsOf(announcement, position)),
      patienceMs,
      () => `Not announced: ${JSON.stringify(at(position))}. Heard: ${JSON.stringify(heard)}`,
    );
  return { heard, watch, hears };
}

function tellsOf(announcement: Announcement, { epoch, version }: Position): boolean {
  const told = positionOf(announcement);
  return told === undefined || (told.epoch === epoch && told.version === version);
}

/** Where the announcement says that the context went; undefined: announcements may have been lost. */
export function positionOf(announcement: Announcement): Position | undefined {
  switch (announcement.kind) {
    case 'changed':
      return at(announcement.delta);
    case 'moved':
    case 'removed':
      return at(announcement.position);
    case 'interrupted':
      return undefined;
  }
}
