import type { Announcement, Backend, Watch } from '../backend/backend.ts';
import type { DeltaRecord, Head } from '../backend/known.ts';
import type { Clock } from '../clock.ts';
import type { Delta } from '../delta/delta.ts';
import type { ContextEvent, Position } from '../model.ts';
import type { Labels, Metrics } from '../observability/metrics.ts';
import { answerLabels } from './metering.ts';
import type { Reader } from './reader.ts';
import { type Since, toDelta } from './sync.ts';

/** What the feed works with. Times in ms. */
export interface FeedOptions {
  readonly backend: Backend;
  readonly reader: Reader;
  readonly clock: Clock;
  /** A context of which nothing was heard for so long is compared with the store. */
  readonly recheckMs: number;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics | undefined;
}

/** What a follower was told last. */
export type At =
  | ({ readonly kind: 'context' | 'gone' } & Position)
  | { readonly kind: 'none'; readonly epoch: '-'; readonly version: 0 };

/** What a channel needs of a follower. */
export interface Subscriber {
  /** Whether something may have happened that it was not told yet. */
  readonly isBehind: boolean;
  /** Whoever follows, as the transport named it. */
  readonly by: unknown;
  /** What it was told last; undefined before the first event. */
  readonly position: Position | undefined;
  /** Something may have happened. `delta`: the announced one may lead on. `look`: only the store knows. */
  mark(mark: 'delta' | 'look'): void;
  /** Whether a head of the store proves that it missed something. */
  isElsewhere(head: Head | undefined): boolean;
  end(): void;
}

/** One watched context: what was announced last, and the reads that its followers share. */
export class Channel {
  readonly id: string;
  readonly followers = new Set<Subscriber>();
  readonly #options: FeedOptions;
  readonly #watch: Promise<Watch>;
  /** The newest announced delta of its epoch, as every follower is handed it. */
  #latest: { readonly record: DeltaRecord; readonly delta: Delta } | undefined;
  /** Reads under way that began after the last announcement, by the position that they answer. */
  readonly #answers = new Map<string, Promise<ContextEvent | undefined>>();
  /** Reads for newcomers that have not begun, by the position: whoever comes meanwhile joins. */
  readonly #firstReadsToBegin = new Map<string, Promise<ContextEvent | undefined>>();
  /** The end of the read for newcomers that has begun, by the position: the next one waits for it. */
  readonly #firstReadsUnderWay = new Map<string, Promise<void>>();
  /**
   * What newcomers were told last: who is told the same is handed the same object, so that it is written once. Not held:
   * with the texts that are kept by it, it weighs three states, and a context may be quiet for long.
   */
  #toldNewcomers: WeakRef<ContextEvent> | undefined;
  #isQuiet = true;
  /** Why announcements may have been missed that no read has made good yet. */
  #suspicion: Labels<'healedGaps'>['cause'] | undefined;

  constructor(id: string, options: FeedOptions) {
    this.id = id;
    this.#options = options;
    this.#watch = options.backend.watch(id, (announcement) => this.#hear(announcement));
    // Whoever waits for the watch hears of its failure; when nobody waits there is nobody to tell.
    this.#watch.catch(() => undefined);
  }

  /**
   * Watches, then reads: whatever is committed after the read is announced. All that come before the read begins share
   * it: thousands may come at once. Undefined: there is no context.
   */
  async first(since: Since | undefined): Promise<ContextEvent | undefined> {
    // An epoch that is empty is another one than none.
    const key = since === undefined ? '' : JSON.stringify([since.version, since.epoch]);
    const read = this.#firstReadsToBegin.get(key) ?? this.#readFirst(since, key);
    this.#firstReadsToBegin.set(key, read);
    const event = await read;
    this.#options.metrics?.count('answers', answerLabels('subscribe', event ?? noContext(this.id)));
    return event;
  }

  /** The announced delta that leads on from a position; `passed` when it leads no further than that. */
  announced(at: At): Delta | 'passed' | 'unknown' {
    if (this.#latest === undefined || at.kind !== 'context' || this.#latest.record.epoch !== at.epoch) return 'unknown';
    const { record, delta } = this.#latest;
    if (record.version <= at.version) return 'passed';
    return record.fromVersion === at.version ? delta : 'unknown';
  }

  /** What the store says to a follower; undefined: nothing new. Shared by all that ask from one position at once. */
  answer(at: At): Promise<ContextEvent | undefined> {
    const key = `${at.kind} ${at.epoch} ${at.version}`;
    const shared = this.#answers.get(key);
    if (shared !== undefined) return shared;
    const answer = this.#heal(at).finally(() => {
      if (this.#answers.get(key) === answer) this.#answers.delete(key);
    });
    this.#answers.set(key, answer);
    return answer;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  /** Counts what a read has told a follower. */
  noteCaughtUp(at: At, event: ContextEvent): void {
    const { metrics } = this.#options;
    metrics?.count('answers', answerLabels('catchUp', event));
    const isAhead = event.epoch === at.epoch && event.version > at.version;
    if (isAhead) metrics?.observe('behindVersions', {}, event.version - at.version);
  }

  /** Whether nothing was heard since the last call. */
  takeQuiet(): boolean {
    const wasQuiet = this.#isQuiet;
    this.#isQuiet = true;
    return wasQuiet;
  }

  /** Makes the followers look at the store that the head proves to be elsewhere. */
  compare(head: Head | undefined): void {
    for (const follower of this.followers) {
      if (!follower.isElsewhere(head)) continue;
      this.#answers.clear();
      this.#suspicion = 'recheck';
      follower.mark('look');
    }
  }

  close(): void {
    this.#watch.then((watch) => watch.close()).catch(() => undefined);
  }

  async #readFirst(since: Since | undefined, key: string): Promise<ContextEvent | undefined> {
    try {
      await this.#watch;
      await this.#firstReadsUnderWay.get(key);
    } finally {
      this.#firstReadsToBegin.delete(key);
    }
    const answer = this.#options.reader.sync(this.id, since);
    const reading = answer.then(nothing, nothing);
    this.#firstReadsUnderWay.set(key, reading);
    try {
      return this.#asToldNewcomers(await answer);
    } finally {
      if (this.#firstReadsUnderWay.get(key) === reading) this.#firstReadsUnderWay.delete(key);
    }
  }

  /** The object that newcomers were told last where that says the same, else the event, for those that come. */
  #asToldNewcomers(event: ContextEvent | undefined): ContextEvent | undefined {
    const told = this.#toldNewcomers?.deref();
    if (event !== undefined && told !== undefined && isSame(told, event)) return told;
    this.#toldNewcomers = event && new WeakRef(event);
    return event;
  }

  #hear(announcement: Announcement): void {
    this.#isQuiet = false;
    this.#answers.clear();
    this.#toldNewcomers = undefined;
    if (announcement.kind === 'interrupted') this.#suspicion = 'interrupted';
    const mark = this.#note(announcement) ? 'delta' : 'look';
    for (const follower of this.followers) follower.mark(mark);
  }

  /** Keeps an announced delta; false: the announcement is none, or of another epoch than the one kept. */
  #note(announcement: Announcement): boolean {
    if (announcement.kind !== 'changed') return false;
    const { delta: record } = announcement;
    const latest = this.#latest?.record;
    const isSameEpoch = latest?.epoch === record.epoch;
    // Announcements may be reordered: of one epoch the newest counts, and epochs have no order.
    if (isSameEpoch && latest.version >= record.version) return true;
    this.#latest = { record, delta: toDelta(this.id, record) };
    return isSameEpoch || latest === undefined;
  }

  /** Counts a read that finds what an announcement should have told. */
  async #heal(at: At): Promise<ContextEvent | undefined> {
    const suspicion = this.#suspicion;
    const event = await this.#read(at);
    if (suspicion === undefined || suspicion !== this.#suspicion) return event;
    this.#suspicion = undefined;
    if (event !== undefined) this.#options.metrics?.count('healedGaps', { cause: suspicion });
    return event;
  }

  async #read(at: At): Promise<ContextEvent | undefined> {
    const { reader } = this.#options;
    // After `ContextGone` the client holds no state: whatever lives now is another epoch to it.
    const since = at.kind === 'none' ? undefined : { epoch: at.kind === 'gone' ? '-' : at.epoch, version: at.version };
    const event = await reader.sync(this.id, since, true);
    if (event === undefined) return at.kind === 'none' ? undefined : noContext(this.id);
    if (event.kind === 'noChange') return undefined;
    const isKnownEnd = event.kind === 'gone' && at.kind === 'gone';
    return isKnownEnd && event.epoch === at.epoch && event.version === at.version ? undefined : event;
  }
}

/** The event that stands for "there is nothing": the position before everything. */
export function noContext(contextId: string): ContextEvent {
  return Object.freeze({ kind: 'noContext', contextId, epoch: '-', version: 0 });
}

/** Whether two answers of one context say the same to everybody. */
function isSame(one: ContextEvent, other: ContextEvent): boolean {
  if (one.epoch !== other.epoch || one.version !== other.version) return false;
  if (one.kind === 'full' && other.kind === 'full') {
    const { context } = one;
    const isSameTerm = context.expiresAtMs === other.context.expiresAtMs;
    return one.reason === other.reason && context.state === other.context.state && isSameTerm;
  }
  // One range of one epoch is merged in one way only.
  return one.kind === 'delta' && other.kind === 'delta' && one.fromVersion === other.fromVersion;
}

function nothing(): void {}
