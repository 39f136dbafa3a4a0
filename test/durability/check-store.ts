/* Whether a store that was opened again has what it must have, and whether all that it says agrees. */
import { isDeepStrictEqual } from 'node:util';
import type { Backend, Due } from '../../src/backend/backend.ts';
import type { DeltaRecord } from '../../src/backend/known.ts';
import { KeyReader } from '../../src/backend/lmdb/keys.ts';
import type { Row } from '../../src/backend/lmdb/records.ts';
import { openRoot, openTables, type Table, type Tables } from '../../src/backend/lmdb/tables.ts';
import { apply } from '../../src/delta/apply.ts';
import { compose, invert } from '../../src/delta/compose.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import type { Chord } from '../../src/service/chord.ts';
import { crashOptions, type Fate } from './crash-model.ts';

/** What is open. */
export interface Opened {
  readonly chord: Chord;
  readonly backend: Backend;
}

/** Which of the possible fates a context has, with the epoch that it turned out to have; undefined: none of them. */
export async function fateOf({ backend }: Opened, id: string, possible: readonly Fate[]): Promise<Fate | undefined> {
  const view = await backend.read(id);
  for (const fate of possible) {
    if (fate.kind === 'absent') {
      if (view.kind === 'absent') return fate;
      continue;
    }
    const isSameEpoch = (epoch: string) => fate.epoch === undefined || fate.epoch === epoch;
    if (fate.kind === 'gone') {
      const { version, atMs } = fate;
      if (view.kind !== 'tombstone' || !isSameEpoch(view.epoch)) continue;
      if (view.version === version && view.atMs === atMs) return { ...fate, epoch: view.epoch };
      continue;
    }
    if (view.kind !== 'context' || !isSameEpoch(view.head.epoch) || view.head.version !== fate.version) continue;
    if (view.head.expiresAtMs !== fate.expiresAtMs || !equal(view.state ?? {}, fate.state)) continue;
    return { ...fate, epoch: view.head.epoch };
  }
  return undefined;
}

/** What is wrong with the retained deltas of a live context and with what is answered from them. */
export async function problemsOfDeltas(
  { chord, backend }: Opened,
  id: string,
  fate: Extract<Fate, { readonly kind: 'live' }>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const records = await backend.deltas(id, { limit: 10_000 });
  const [head] = await backend.heads([id]);
  if (head === undefined) return [`${id} has no head`];
  if (records.length > crashOptions.deltaThreshold) problems.push(`${id} keeps ${records.length} deltas`);
  const newest = records.at(-1);
  if (newest !== undefined && newest.version !== head.version) problems.push(`${id}: the last delta is missing`);
  for (const [at, record] of records.entries()) {
    const next = records[at + 1];
    if (next !== undefined && (next.fromVersion !== record.version || next.version !== record.version + 1)) {
      problems.push(`${id}: a hole after ${record.version}`);
    }
  }
  for (let version = head.floor; version < head.version; version++) {
    const before = stateAt(fate.state, records, version);
    const known = fate.history.get(version);
    if (known !== undefined && !equal(known, before)) problems.push(`${id}: version ${version} was another state`);
    const event = await chord.syncContext(id, { epoch: head.epoch, version });
    if (event?.kind === 'delta') {
      if (event.fromVersion !== version) problems.push(`${id}: the delta for ${version} starts elsewhere`);
      if (!equal(apply(before, event.changes), fate.state)) problems.push(`${id}: ${version} leads elsewhere`);
    } else if (event?.kind !== 'full' || event.reason !== 'SMALLER' || !equal(event.context.state, fate.state)) {
      problems.push(`${id}: ${version} is answered ${JSON.stringify(event)?.slice(0, 200)}`);
    }
  }
  return problems;
}

function stateAt(state: JsonObject, records: readonly DeltaRecord[], version: number): JsonObject {
  const later = records.filter((record) => record.version > version).map(({ changes }) => changes);
  return apply(state, invert(compose(later)));
}

/** What is wrong with lists, heads and what is due, given what every context is. */
export async function problemsOfIndexes(
  { chord, backend }: Opened,
  fates: ReadonlyMap<string, Fate>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const live = [...fates].flatMap(([id, { kind }]) => (kind === 'live' ? [id] : [])).toSorted();
  const listed = await backend.list({ limit: 1_000 });
  if (!isDeepStrictEqual(listed, live)) problems.push(`listed are ${listed.join()}; live are ${live.join()}`);
  const page = await chord.listContexts({ limit: 250 });
  if (
    !isDeepStrictEqual(
      page.nodes.map(({ id }) => id),
      live,
    )
  )
    problems.push('a page lists other contexts');
  if ((await backend.count({})) !== live.length) problems.push('the count is another');
  const due = {
    context: await dueOf(backend, 'context'),
    deltas: await dueOf(backend, 'deltas'),
    tombstone: await dueOf(backend, 'tombstone'),
  };
  for (const [kind, entries] of Object.entries(due)) {
    if (new Set(entries.map(({ id }) => id)).size < entries.length) problems.push(`an id is due twice: ${kind}`);
  }
  const dueMs = (kind: keyof typeof due, id: string) => due[kind].find((entry) => entry.id === id)?.dueMs;
  for (const [id, fate] of fates) {
    const tombstone = dueMs('tombstone', id);
    if (tombstone !== (fate.kind === 'gone' ? fate.atMs : undefined))
      problems.push(`${id}: tombstone due ${tombstone}`);
    const context = dueMs('context', id);
    const expiresAtMs = fate.kind === 'live' ? fate.expiresAtMs : null;
    if (expiresAtMs !== null && (context === undefined || context > expiresAtMs)) {
      problems.push(`${id}: expires at ${expiresAtMs}, due at ${context}`);
    }
    if (fate.kind !== 'live' && context !== undefined) problems.push(`${id}: due, and not there`);
    const [oldest] = fate.kind === 'live' ? await backend.deltas(id, { limit: 1 }) : [];
    const deltas = dueMs('deltas', id);
    if (oldest !== undefined && (deltas === undefined || deltas > oldest.insertedAtMs)) {
      problems.push(`${id}: deltas of ${oldest.insertedAtMs}, due at ${deltas}`);
    }
  }
  return problems;
}

function dueOf(backend: Backend, kind: 'context' | 'deltas' | 'tombstone'): Promise<readonly Due[]> {
  return backend.due(kind, Number.MAX_SAFE_INTEGER, { limit: 1_000 });
}

/** What is wrong with the rows of a closed store: whether there is one too many, or one too few. */
export async function problemsOfRows(file: string): Promise<readonly string[]> {
  const root = openRoot(file);
  try {
    return compareRows(openTables(root));
  } finally {
    await root.close();
  }
}

function compareRows(tables: Tables): readonly string[] {
  const problems: string[] = [];
  const rows = new Map(
    [...tables.contexts.getRange()].map(({ key, value }) => [String(key), JSON.parse(value) as Row]),
  );
  const expectedDeltas: string[] = [];
  const expectedDue: string[] = [];
  for (const [id, { head, loggedFrom, contextDueMs, deltasDueMs }] of rows) {
    for (let version = loggedFrom; version <= head.version; version++) expectedDeltas.push(`${id} ${version}`);
    if (contextDueMs !== null) expectedDue.push(`1 ${contextDueMs} ${id}`);
    if (deltasDueMs !== null) expectedDue.push(`2 ${deltasDueMs} ${id}`);
  }
  for (const { key, value } of tables.tombstones.getRange()) {
    const id = String(key);
    if (rows.has(id)) problems.push(`${id} is there and gone`);
    // Written by the store.
    expectedDue.push(`3 ${(JSON.parse(value) as { readonly atMs: number }).atMs} ${id}`);
  }
  const compare = (what: string, found: readonly string[], expected: readonly string[]) => {
    const missing = expected.filter((row) => !found.includes(row));
    const extra = found.filter((row) => !expected.includes(row));
    if (missing.length + extra.length > 0)
      problems.push(`${what}: missing ${missing.slice(0, 5).join()}, extra ${extra.slice(0, 5).join()}`);
  };
  compare('deltas', itemsOf(tables.deltas, 'text', 'number'), expectedDeltas);
  compare('due', itemsOf(tables.due, 'number', 'number', 'text'), expectedDue);
  const checkpointed = [...rows].flatMap(([id, { checkpoint }]) => (checkpoint === null ? [] : [id]));
  compare('checkpoints', [...tables.checkpoints.getKeys()].map(String), checkpointed);
  const outcomes = itemsOf(tables.outcomes, 'text', 'text', 'number').map((items) => {
    const [id, key, expiresAtMs] = items.split(' ');
    return `${expiresAtMs} ${id} ${key}`;
  });
  compare('outcomes', outcomes, itemsOf(tables.outcomesDue, 'number', 'text', 'text'));
  return problems;
}

/** The keys of a table, their items with spaces between. */
function itemsOf(table: Table, ...kinds: readonly ('text' | 'number')[]): readonly string[] {
  return [...table.getKeys()].map((bytes) => {
    const reader = new KeyReader(bytes);
    return kinds.map((kind) => reader[kind]()).join(' ');
  });
}
