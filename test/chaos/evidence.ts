/* What everybody said of a context, gathered by position, and what of it contradicts itself. */
import { at, type Position } from '../../examples/replay/follower.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { markOfDelta, markOfState } from './actions.ts';
import type {
  ContextHistory,
  FaultRecord,
  FinalRecord,
  ReaderRecord,
  Report,
  SeenDelta,
  WriteRecord,
} from './history.ts';
import { isLossBetween, type Life, landingMs, note, type Place } from './lives.ts';

/** The lives of a context by epoch, in no order yet. */
export function readLives(history: ContextHistory, report: Report): ReadonlyMap<string, Life> {
  const evidence = new Evidence(history, report);
  for (const write of history.writes) evidence.readAnswers(write);
  for (const reader of history.readers) evidence.readEvents(reader);
  for (const final of history.finals) evidence.readFinal(final);
  for (const { began, epoch, ends, first, places } of evidence.lives.values()) {
    for (const place of [...places.values(), ...ends.values()]) {
      if (place.write !== undefined) place.landedMs = landingMs(place.write, { epoch, version: place.version });
    }
    if (began !== undefined && began > first) {
      report('epoch', `epoch ${epoch} began with version ${began}, and somebody saw version ${first} of it`);
    }
  }
  return evidence.lives;
}

class Evidence {
  readonly lives = new Map<string, Life>();
  readonly #faults: readonly FaultRecord[];
  readonly #report: Report;
  readonly #byMark: ReadonlyMap<number, WriteRecord>;

  constructor({ faults, writes }: ContextHistory, report: Report) {
    this.#faults = faults;
    this.#report = report;
    this.#byMark = new Map(writes.map((write) => [write.mark, write]));
  }

  readAnswers(write: WriteRecord): void {
    const { action, isChange, mark } = write;
    for (const { endMs, answer } of write.attempts) {
      if (answer.kind === 'conflict' && answer.current !== undefined) this.#see(answer.current, endMs);
      if (answer.kind !== 'done') continue;
      const { position, changed, delta } = answer;
      if (action.verb === 'delete') {
        this.#see(position, endMs);
        this.#settle(position, write, { endMs, isEnd: true });
        continue;
      }
      if (changed !== isChange)
        this.#report('answer', `write ${mark} was answered that it changed ${changed ? 'something' : 'nothing'}`);
      if (changed) this.#settle(position, write, { endMs, isEnd: false });
      else this.#see(position, endMs);
      if (delta !== null) this.#readDelta(delta, endMs);
    }
  }

  readEvents({ connections, name }: ReaderRecord): void {
    for (const { events } of connections) {
      for (const { atMs, event } of events) {
        switch (event.__typename) {
          case 'FullContext':
            // The server's `JSONObject` is a JSON object; the generated type only knows that it is an object.
            this.#mark(event, markOfState(event.context.state as JsonObject), atMs);
            if (event.context.epoch !== event.epoch || event.context.version !== event.version) {
              this.#report(
                'answer',
                `${name} was sent a full context at ${at(event)} that says it is at ${at(event.context)}`,
              );
            }
            break;
          case 'Delta':
            this.#readDelta(event, atMs);
            break;
          case 'NoChange':
            this.#see(event, atMs);
            break;
          case 'ContextGone':
            this.#see(event, atMs);
            this.#end(event, atMs);
            break;
          case 'NoContext':
            break;
        }
      }
    }
  }

  readFinal({ atMs, context, deltas }: FinalRecord): void {
    if (context !== undefined) this.#mark(context, markOfState(context.state), atMs);
    for (const delta of deltas) this.#readDelta(delta, atMs);
  }

  #readDelta(delta: SeenDelta, ms: number): void {
    const { epoch, fromVersion, version } = delta;
    this.#mark(delta, markOfDelta(delta), ms);
    const life = this.lives.get(epoch);
    if (life === undefined) return;
    // Only the write that begins a life has a delta from nowhere, and answers no sync with it.
    if (fromVersion !== 0) return;
    if ((life.began ?? version) !== version) {
      this.#report('epoch', `epoch ${epoch} began twice: with version ${life.began} and with version ${version}`);
    }
    life.began = version;
  }

  #mark(position: Position, mark: number | undefined, ms: number): void {
    const place = this.#see(position, ms);
    const write = mark === undefined ? undefined : this.#byMark.get(mark);
    if (write === undefined) {
      this.#report('state', `at ${at(position)} is a state without the mark of a write (${mark})`);
    } else if (place.write !== undefined && place.write !== write) {
      this.#report('one write at a position', `at ${at(position)} are write ${place.write.mark} and write ${mark}`);
    } else {
      place.write = write;
    }
  }

  #settle(
    position: Position,
    write: WriteRecord,
    { endMs, isEnd }: { readonly endMs: number; readonly isEnd: boolean },
  ): void {
    const place = isEnd ? this.#end(position, endMs) : this.#see(position, endMs);
    if (place.write !== undefined && place.write !== write) {
      const what = isEnd ? 'the end at' : 'the position';
      if (!isEnd || !this.#mayBeUndone(place, endMs)) {
        this.#report(
          'one write at a position',
          `${what} ${at(position)} was acknowledged to write ${place.write.mark} and to write ${write.mark}`,
        );
      }
    }
    place.write ??= write;
    place.acknowledgedMs = Math.min(place.acknowledgedMs ?? endMs, endMs);
  }

  #see({ epoch, version }: Position, ms: number): Place {
    const life = this.#lifeOf(epoch, version, ms);
    life.last = Math.max(life.last, version);
    life.first = Math.min(life.first, version);
    return note(life.places, { version, isEnd: false }, ms);
  }

  #end({ epoch, version }: Position, ms: number): Place {
    return note(this.#lifeOf(epoch, version, ms).ends, { version, isEnd: true }, ms);
  }

  #lifeOf(epoch: string, version: number, ms: number): Life {
    let life = this.lives.get(epoch);
    if (life === undefined) {
      life = {
        epoch,
        places: new Map(),
        ends: new Map(),
        began: undefined,
        first: version,
        last: version,
        knownMs: ms,
        order: 0,
        lostFrom: Number.POSITIVE_INFINITY,
      };
      this.lives.set(epoch, life);
    }
    life.knownMs = Math.min(life.knownMs, ms);
    return life;
  }

  /** Whether a store may have lost an end between the two moments at which it was told of. */
  #mayBeUndone({ knownMs }: Place, endMs: number): boolean {
    const [fromMs, toMs] = [Math.min(knownMs, endMs), Math.max(knownMs, endMs)];
    return this.#faults.some((fault) => isLossBetween(fault, fromMs, toMs));
  }
}
