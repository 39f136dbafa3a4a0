/**
 * Records as the scripts see them: lines of text whose fields are separated by spaces, and JSON that no script reads.
 * head.lua and commit.lua say what the lines are. Everything that comes back is frozen.
 */
import type { Changes } from '../../delta/delta.ts';
import { deepFreeze, type JsonArray, type JsonObject } from '../../delta/json.ts';
import type { GoneCause, Position } from '../../model.ts';
import type { Announcement } from '../backend.ts';
import type { Base, Outcome, Write } from '../commit.ts';
import type { DeltaRecord, Head, Tombstone } from '../known.ts';

/** What a view of a live context brings, see view.lua. */
export interface StoredView extends StoredHead {
  readonly kind: 'context';
  /** The version after which deltas were asked for, when they are there. */
  readonly from: number | undefined;
  /** What the records lead on from: the state that the caller has, a checkpoint or `{}`, or nothing. */
  readonly source: 'have' | 'none' | { readonly checkpoint: JsonObject };
  readonly records: readonly DeltaRecord[];
}

/** The beginning of a head that proves a base. */
export function baseText(base: Base): string {
  if (base.kind === 'absent') return '-';
  if (base.kind === 'tombstone') return `t ${base.epoch} ${base.version}`;
  return `c ${base.epoch} ${base.version} ${base.touches}`;
}

/** Why the steps cannot follow one another, which a script would find out too late; undefined: they can. */
export function planProblem(base: Base, writes: readonly Write[]): string | undefined {
  let version = base.kind === 'context' ? base.version : undefined;
  for (const { step } of writes) {
    if ((step.kind === 'create') !== (version === undefined)) return `The plan is wrong: ${step.kind}.`;
    if (step.kind === 'change' && step.head.version !== (version ?? 0) + 1) {
      return `The plan is wrong: version ${step.head.version} does not follow.`;
    }
    if (step.kind === 'remove') version = undefined;
    if (step.kind === 'create' || step.kind === 'change') version = step.head.version;
  }
  return undefined;
}

/** Adds the steps of a write, as commit.lua takes them. */
export function addSteps(args: string[], { writeId, step, idempotency }: Write): void {
  switch (step.kind) {
    case 'create': {
      const { epoch, version, firstVersion, floor } = step.head;
      const text = `create ${epoch} ${version} ${firstVersion} ${floor} ${step.trimTo} ${lifeText(step.head)}`;
      args.push(`${text} ${step.delta.insertedAtMs} ${restText(step.head)}`, recordText(step.delta));
      break;
    }
    case 'change': {
      const { version, floor } = step.head;
      const text = `change ${version} ${floor} ${step.trimTo} ${lifeText(step.head)}`;
      args.push(`${text} ${step.delta.insertedAtMs} ${restText(step.head)}`, recordText(step.delta));
      break;
    }
    case 'touch':
      args.push(`touch ${step.head.touches} ${lifeText(step.head)}`);
      break;
    case 'remove':
      args.push(`remove ${step.cause} ${step.atMs} ${writeId}`);
      break;
  }
  if (idempotency === undefined) return;
  const { key, requestHash, changed, expiresAtMs } = idempotency;
  args.push(`key ${expiresAtMs} ${changed ? 1 : 0} ${requestHash}`, key);
}

/** `expires ttl`. */
function lifeText({ expiresAtMs, ttlMs }: Head): string {
  return `${expiresAtMs ?? '-'} ${ttlMs === undefined ? '-' : (ttlMs ?? 'never')}`;
}

/** JSON that no script reads, `[stateBytes, createdAtMs, insertedAtMs, serverId]`. */
function restText({ stateBytes, createdAtMs, insertedAtMs, serverId }: Head): string {
  return `[${stateBytes},${createdAtMs},${insertedAtMs},${JSON.stringify(serverId)}]`;
}

/**
 * JSON that no script reads, `[weight, writeId, origin, changes]`. The version of a delta is its key in the log, its
 * epoch that of the head.
 */
export function recordText({ weight, writeId, origin, changes }: DeltaRecord): string {
  const label = origin === undefined ? 'null' : JSON.stringify(origin);
  return `[${weight},${JSON.stringify(writeId)},${label},${JSON.stringify(changes)}]`;
}

/** The line of a live context, see head.lua. */
export interface StoredHead {
  readonly head: Head;
  readonly line: Line;
}

/** What the line of a live context has beside the head. */
export interface Line {
  readonly edits: string;
  /** The server that wrote it last. */
  readonly wroteLast: string;
  readonly oldest: number;
  /** The version that the log leads on from. */
  readonly logBase: number;
  readonly hasCheckpoint: boolean;
  /** Bytes of all deltas since the creation. */
  readonly logged: number;
  /** Of those up to `logBase`. */
  readonly loggedAtBase: number;
  /** Times, or `-`. */
  readonly dueContext: string;
  readonly dueDeltas: string;
}

/** A live context of its line. */
export function headFrom(text: string): StoredHead {
  const fields = text.split(' ');
  const [, epoch = '', version, touches, edits = '', wroteLast = '', first, floor, oldest, expires, ttl] = fields;
  const [logBase, hasCheckpoint, logged, loggedAtBase, dueContext = '', dueDeltas = '', rest = ''] = fields.slice(11);
  // Written by restText.
  const [stateBytes, createdAtMs, insertedAtMs, serverId] = JSON.parse(rest) as [number, number, number, string];
  const head: Head = {
    epoch,
    version: Number(version),
    firstVersion: Number(first),
    floor: Number(floor),
    serverId,
    stateBytes,
    createdAtMs,
    insertedAtMs,
    touches: Number(touches),
    ttlMs: ttl === '-' ? undefined : ttl === 'never' ? null : Number(ttl),
    expiresAtMs: expires === '-' ? null : Number(expires),
  };
  const line: Line = {
    edits,
    wroteLast,
    oldest: Number(oldest),
    logBase: Number(logBase),
    hasCheckpoint: hasCheckpoint === '1',
    logged: Number(logged),
    loggedAtBase: Number(loggedAtBase),
    dueContext,
    dueDeltas,
  };
  return { head: Object.freeze(head), line };
}

/** The beginning of a line that tells it from every other. */
export function startText({ epoch, version, touches }: Head, { edits }: Line): string {
  return `c ${epoch} ${version} ${touches} ${edits} `;
}

/** The whole line. */
export function headText(head: Head, line: Line): string {
  const { wroteLast, oldest, logBase, hasCheckpoint, logged, loggedAtBase, dueContext, dueDeltas } = line;
  const versions = `${head.firstVersion} ${head.floor} ${oldest}`;
  const log = `${logBase} ${hasCheckpoint ? 1 : 0} ${logged} ${loggedAtBase}`;
  return `${startText(head, line)}${wroteLast} ${versions} ${lifeText(head)} ${log} ${dueContext} ${dueDeltas} ${restText(head)}`;
}

/** Whether the text is the head of a live context. */
export function isLive(text: string): boolean {
  return text.startsWith('c ');
}

/** A tombstone of its line. */
export function tombstoneFrom(text: string): Tombstone {
  const [, epoch = '', version, cause, atMs, ...writeId] = text.split(' ');
  return Object.freeze({
    kind: 'tombstone',
    epoch,
    version: Number(version),
    // Written by addSteps or expire.lua.
    cause: cause as GoneCause,
    atMs: Number(atMs),
    writeId: writeId.join(' '),
  });
}

/** An entry of the log as Redis answers it: `[id, ['t', inserted, 'd', record]]`. */
export type Entry = readonly [id: string, fields: readonly string[]];

/** A delta of its entry; `head` is the one of its context in the same view. */
export function deltaFrom([id, [, inserted = '', , text = '']]: Entry, head: Head): DeltaRecord {
  const version = Number(id.slice(0, id.indexOf('-')));
  const fromVersion = version === head.firstVersion ? 0 : version - 1;
  return recordFrom(text, { epoch: head.epoch, version, fromVersion, insertedAtMs: Number(inserted) });
}

function recordFrom(
  text: string,
  {
    epoch,
    version,
    fromVersion,
    insertedAtMs,
  }: Pick<DeltaRecord, 'epoch' | 'version' | 'fromVersion' | 'insertedAtMs'>,
): DeltaRecord {
  // Written by recordText.
  const [weight, writeId, origin, changes] = JSON.parse(text) as [number, string, string | null, Changes];
  // Parsed from JSON, and so JSON; only the interfaces have no index signature.
  deepFreeze(changes as unknown as JsonArray);
  return Object.freeze({
    epoch,
    fromVersion,
    version,
    changes,
    insertedAtMs,
    origin: origin ?? undefined,
    writeId,
    weight,
  });
}

/** Outcomes are `expires epoch version changed requestHash`. */
export function outcomeFrom(text: string): Outcome {
  const [, epoch = '', version, changed, ...requestHash] = text.split(' ');
  return Object.freeze({
    epoch,
    version: Number(version),
    changed: changed === '1',
    requestHash: requestHash.join(' '),
  });
}

/** A checkpoint; `{}` where there is none. Nobody holds it yet: the caller may change it in place. */
export function stateFrom(text: string | undefined): JsonObject {
  // Written by JSON.stringify(state).
  return text === undefined ? {} : (JSON.parse(text) as JsonObject);
}

/** `epoch version`. */
export function positionFrom(text: string): Position {
  const [epoch = '', version] = text.split(' ');
  return Object.freeze({ epoch, version: Number(version) });
}

/** What commit.lua, change.lua and expire.lua publish. Undefined: nothing of ours. */
export function announcementFrom(message: string): Announcement | undefined {
  const [kind, epoch = '', versionText, from, inserted] = message.split(' ', 5);
  const version = Number(versionText);
  if (!Number.isSafeInteger(version)) return undefined;
  switch (kind) {
    case 'changed': {
      const position = { epoch, version, fromVersion: Number(from), insertedAtMs: Number(inserted) };
      const head = [kind, epoch, versionText, from, inserted, ''].join(' ');
      return { kind, delta: recordFrom(message.slice(head.length), position) };
    }
    case 'moved':
    case 'removed':
      return { kind, position: { epoch, version } };
    default:
      return undefined;
  }
}
