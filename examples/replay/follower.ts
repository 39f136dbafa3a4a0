/**
 * The local copy of a context: all that a client of Chord has to do. Pure, so it works with every transport.
 *
 *   no copy ── FullContext ──► copy ── Delta that starts where the copy is ──► copy ── ContextGone ──► no copy
 *
 * The copy holds its own position (epoch and version). It is what the client sends when it connects again.
 */

import type { ContextChangedSubscription } from '../../src/client/generated/graphql.ts';
import { apply, type Change, DeltaMismatchError, type JsonObject, type JsonValue } from '../../src/delta/index.ts';

/** What the subscription `contextChanged` delivers. */
export type ContextEvent = ContextChangedSubscription['contextChanged'];

/** Where a copy stands. Neither number nor name means anything without the other. */
export interface Position {
  readonly epoch: string;
  readonly version: number;
}

export interface Copy extends Position {
  readonly state: JsonObject;
}

/**
 * The event does not start where the copy is. An application drops its copy and subscribes again without a position;
 * the replay fails, because the server promises that it never happens.
 */
export class GapError extends Error {
  override readonly name = 'GapError';
}

/**
 * The copy after an event; undefined: there is nothing to have a copy of.
 *
 * @throws GapError when the event does not start where the copy is.
 */
export function follow(copy: Copy | undefined, event: ContextEvent): Copy | undefined {
  const { epoch, version } = event;
  switch (event.__typename) {
    case 'FullContext':
      // The server's `JSONObject` is a JSON object; the generated type only knows that it is an object.
      return { epoch, version, state: event.context.state as JsonObject };
    case 'Delta':
      return { epoch, version, state: advance(copy, event) };
    case 'NoChange':
      if (copy?.epoch !== epoch || copy.version !== version) throw gap(copy, `no change at ${at(event)}`);
      return copy;
    case 'ContextGone':
    case 'NoContext':
      return undefined;
  }
}

/** A position for people. */
export function at(position: Position | undefined): string {
  return position === undefined ? 'no position' : `${position.epoch.slice(0, 6)}:${position.version}`;
}

type Delta = Extract<ContextEvent, { __typename: 'Delta' }>;

function advance(copy: Copy | undefined, delta: Delta): JsonObject {
  const start = { epoch: delta.epoch, version: delta.fromVersion };
  if (copy?.epoch !== start.epoch || copy.version !== start.version) {
    throw gap(copy, `a delta from ${at(start)} to ${at(delta)}`);
  }
  try {
    return apply(copy.state, delta.changes.map(toChange));
  } catch (error) {
    if (error instanceof DeltaMismatchError) throw gap(copy, error.message);
    throw error;
  }
}

/** Over GraphQL `value` and `oldValue` are always there, and null where the action says that there is none. */
function toChange({ path, action, value, oldValue }: Delta['changes'][number]): Change {
  // The server's `JSON` is a JSON value; the generated type is `unknown`.
  const [now, before] = [value as JsonValue, oldValue as JsonValue];
  switch (action) {
    case 'ADDED':
      return { action, path, value: now };
    case 'MODIFIED':
      return { action, path, value: now, oldValue: before };
    case 'REMOVED':
      return { action, path, oldValue: before };
  }
}

function gap(copy: Copy | undefined, found: string): GapError {
  return new GapError(`a gap: the copy is at ${at(copy)}, and there came ${found}`);
}
