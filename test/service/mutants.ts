/** Feeds that are wrong in one way each. The tests of the feed must catch them. */
import type { Announcement, Backend } from '../../src/backend/backend.ts';
import type { DeltaRecord } from '../../src/backend/known.ts';
import type { ClientPosition, ContextEvent } from '../../src/model.ts';
import type { ChordService } from '../../src/service/service.ts';
import type { Events } from '../support/chord.ts';

/** How a client subscribes. */
export type Follow = (id: string, position?: ClientPosition) => Events;

/** Makes a way to subscribe, right or wrong. */
export type MakeFollow = (chord: ChordService, backend: Backend) => Follow;

export const rightFollow: MakeFollow = (chord) => (id, position) => chord.follow(id, position);

/** Sends the whole context whatever the client has. */
export const alwaysFull: MakeFollow = (chord, backend) => {
  const full = async (event: ContextEvent): Promise<ContextEvent> => {
    if (event.kind !== 'delta' && event.kind !== 'noChange') return event;
    const view = await backend.read(event.contextId);
    if (view.kind !== 'context' || view.state === undefined) return event;
    const { epoch, version, createdAtMs, insertedAtMs, expiresAtMs } = view.head;
    const context = { id: event.contextId, epoch, version, state: view.state, createdAtMs, insertedAtMs, expiresAtMs };
    return { kind: 'full', contextId: event.contextId, epoch, version, reason: 'TOO_OLD', context };
  };
  return (id, position) => {
    const events = chord.follow(id, position);
    return iterator({
      next: async () => {
        const turn = await events.next();
        return turn.done === true ? turn : { done: false, value: await full(turn.value) };
      },
      leave: () => void events.return?.(),
    });
  };
};

/** Hands on every announced delta of the epoch, wherever the client is. */
export const withoutGapCheck: MakeFollow = (chord, backend) => (id, position) => {
  const events = chord.follow(id, position);
  const announced: DeltaRecord[] = [];
  let at: ContextEvent | undefined;
  const watching = backend.watch(id, (announcement: Announcement) => {
    if (announcement.kind === 'changed') announced.push(announcement.delta);
  });
  return iterator({
    next: async () => {
      const record = announced.shift();
      if (record !== undefined && at?.epoch === record.epoch && at.version < record.version) {
        at = { ...record, kind: 'delta', contextId: id, origin: record.origin ?? null };
        return { done: false, value: at };
      }
      const turn = await events.next();
      if (turn.done !== true) at = turn.value;
      return turn;
    },
    leave: () => {
      void events.return?.();
      void watching.then((watch) => watch.close());
    },
  });
};

/** An async generator: its `return()` waits for the `next()` that is pending. */
export const waitingReturn: MakeFollow = (chord) =>
  async function* follow(id, position): Events {
    for await (const event of chord.follow(id, position)) yield event;
    return undefined;
  };

function iterator({ next, leave }: { readonly next: Events['next']; readonly leave: () => void }): Events {
  return {
    next,
    return: () => {
      leave();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
