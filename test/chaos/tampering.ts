/* Finds places in a history where something can be changed, and changes it. */
import type { ContextEvent, Position } from '../../examples/replay/follower.ts';
import type { Answer, Attempt, Connection, History, ReaderRecord, Rule, SeenEvent, WriteRecord } from './history.ts';
import type { SimulationOptions } from './simulation.ts';

/** A history that may be changed. */
export type Draft = DeepMutable<History>;

/** States, which have any key, stay as they are. */
type DeepMutable<T> = T extends object
  ? string extends keyof T
    ? T
    : { -readonly [Key in keyof T]: DeepMutable<T[Key]> }
  : T;

/** A defect that a store could have, made visible in a history that was right. */
export interface Mutant {
  /** What the store does, to be read after "a store that". */
  readonly name: string;
  /** By which it must be caught. */
  readonly rule: Rule;
  /** Of the history; default none. */
  readonly faults?: SimulationOptions['faults'];
  readonly tamper: (draft: Draft) => void;
}

/** A copy to tamper with, of which no two parts are one. */
export function draftOf(history: History): Draft {
  // Written down, a history is JSON.
  return JSON.parse(JSON.stringify(history)) as Draft;
}

/** An accepted write. */
export interface Accepted {
  readonly write: DeepMutable<WriteRecord>;
  readonly attempt: DeepMutable<Attempt>;
  readonly answer: DeepMutable<Extract<Answer, { kind: 'done' }>>;
}

/** All that were accepted at once, in the order of their positions within each epoch. */
export function accepted({ writes }: Draft): readonly Accepted[] {
  return writes
    .flatMap((write) => {
      const [attempt] = write.attempts;
      return attempt?.answer.kind === 'done' && !attempt.answer.duplicate
        ? [{ write, attempt, answer: attempt.answer }]
        : [];
    })
    .toSorted((a, b) => a.answer.position.version - b.answer.position.version);
}

/** Accepted writes that changed the state. */
export function changes(draft: Draft): readonly Accepted[] {
  return accepted(draft).filter(({ write, answer }) => answer.changed && write.action.verb !== 'delete');
}

/** Two accepted changes, one right after the other. */
export function neighbours(draft: Draft, isMeant: (pair: readonly [Accepted, Accepted]) => boolean = () => true) {
  const all = changes(draft);
  const pairs = all.flatMap((second) => {
    const { epoch, version } = second.answer.position;
    const first = all.find(({ answer: { position } }) => position.epoch === epoch && position.version === version - 1);
    return first === undefined ? [] : [[first, second] as const];
  });
  return need('two neighbours', pairs.find(isMeant));
}

/** A refused write and its last attempt. */
export function refused(draft: Draft, kind: 'conflict' | 'notFound', isMeant: (write: WriteRecord) => boolean) {
  const found = draft.writes.flatMap((write) => {
    const attempt = write.attempts.at(-1);
    return attempt?.answer.kind === kind && isMeant(write) ? [{ write, attempt }] : [];
  });
  return need(`a refusal: ${kind}`, found[0]);
}

/** A place in what a reader was told. */
export interface Heard {
  readonly reader: DeepMutable<ReaderRecord>;
  readonly connection: DeepMutable<Connection>;
  readonly seen: DeepMutable<SeenEvent>;
  readonly index: number;
}

/** Something that was told. */
export function heard(draft: Draft, isMeant: (heard: Heard) => boolean): Heard {
  const all = draft.readers.flatMap((reader) =>
    reader.connections.flatMap((connection) =>
      connection.events.map((seen, index): Heard => ({ reader, connection, seen, index })),
    ),
  );
  return need('such an event', all.find(isMeant));
}

/** Puts another event in its place. */
export function replaceEvent({ connection, index, seen }: Heard, event: ContextEvent): void {
  connection.events[index] = { ...seen, event: structuredClone(event) };
}

/** Changes everything that is or holds a position. */
export function movePositions(draft: Draft, move: (position: { epoch: string; version: number }) => void): void {
  walk(draft, (node) => {
    if (typeof node['epoch'] !== 'string' || typeof node['version'] !== 'number') return;
    const before = node['version'];
    // It has what it was just asked for.
    move(node as { epoch: string; version: number });
    const isMoved = node['version'] !== before;
    if (isMoved && typeof node['fromVersion'] === 'number' && node['fromVersion'] > 0) {
      node['fromVersion'] += node['version'] - before;
    }
  });
}

/** Puts the mark of another write wherever that of one is. */
export function replaceMark(draft: Draft, from: number, to: number): void {
  const { readers, finals, writes } = draft;
  walk({ readers, finals, writes }, (node) => {
    const isMark = Array.isArray(node['path']) && node['path'].join() === 'mark';
    if (isMark && node['value'] === from) node['value'] = to;
    if (isMark && node['oldValue'] === from) node['oldValue'] = to;
    if (node['mark'] === from && !('attempts' in node)) node['mark'] = to;
  });
}

function walk(node: unknown, visit: (node: Record<string, unknown>) => void): void {
  if (typeof node !== 'object' || node === null) return;
  // An object or an array, whose indexes are keys as well.
  visit(node as Record<string, unknown>);
  for (const child of Object.values(node)) walk(child, visit);
}

/** When everything was over but the questions at the end. */
export function lastMs({ writes, readers }: Draft): number {
  const ends = writes.flatMap(({ attempts }) => attempts.map(({ endMs }) => endMs));
  const events = readers.flatMap(({ connections }) =>
    connections.flatMap(({ events: seen }) => seen.map(({ atMs }) => atMs)),
  );
  return Math.max(...ends, ...events);
}

/** The epochs of a context in the order in which they began. */
export function epochsOf(
  draft: Draft,
  contextId: string,
): readonly { readonly epoch: string; readonly first: number; readonly last: number }[] {
  const lives = new Map<string, { epoch: string; first: number; last: number }>();
  const all = changes(draft).filter(({ write }) => write.contextId === contextId);
  for (const { answer } of all.toSorted((a, b) => a.attempt.beginMs - b.attempt.beginMs)) {
    const { epoch, version } = answer.position;
    const life = lives.get(epoch) ?? { epoch, first: version, last: version };
    lives.set(epoch, life);
    life.first = Math.min(life.first, version);
    life.last = Math.max(life.last, version);
  }
  return [...lives.values()];
}

/** Where an event leads. */
export function placeOf({ epoch, version }: Position): Position {
  return { epoch, version };
}

/** @throws when it is not there: then the history does not fit the mutant. */
export function need<T>(what: string, found: T | undefined): T {
  if (found === undefined) throw new RangeError(`There is no ${what} in the history.`);
  return found;
}
