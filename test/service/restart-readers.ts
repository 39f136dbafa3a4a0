import { type ContextEvent, type Copy, follow, type Position } from '../../examples/replay/follower.ts';
import { type Connection, type TransportName, transports } from '../../examples/replay/transports.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import type { History } from '../fixtures/histories.ts';
import { post } from '../support/app.ts';

/** A server that is there most of the time, always under the same URL. */
export class Place {
  url = '';
  #up: Promise<void> = Promise.resolve();

  /** Resolves when the server is there. */
  isUp(): Promise<void> {
    return this.#up;
  }

  /** The server is away while this runs. */
  async without(restart: () => Promise<void>): Promise<void> {
    const restarting = Promise.resolve().then(restart);
    // Who waits hears of a failure from the caller.
    this.#up = restarting.catch(() => undefined);
    await restarting;
  }
}

/** Writes a history as fast as it is answered, and again what was not, under the same key. */
export class HistoryWriter {
  readonly history: History;
  /** The document of each version. */
  readonly documents = new Map<number, JsonObject>();
  epoch = '';
  version = 0;
  /** How many are answered. */
  written = 0;
  /** How many answers said that the write had been stored before. */
  duplicates = 0;
  readonly #place: Place;

  constructor(history: History, place: Place) {
    this.history = history;
    this.#place = place;
  }

  async writeFirst(): Promise<void> {
    await this.#write(0);
  }

  async writeOthers(): Promise<void> {
    for (let index = 1; index < this.history.revisions.length; index++) await this.#write(index);
  }

  async #write(index: number): Promise<void> {
    const document = this.history.revisions[index];
    if (document === undefined) throw new TypeError(`There is no revision ${index}.`);
    const { epoch, version, duplicate } = await this.#answerTo({
      id: this.history.name,
      state: document,
      key: `revision ${index}`,
    });
    this.epoch = epoch;
    this.version = version;
    this.documents.set(version, document);
    this.written++;
    if (duplicate) this.duplicates++;
  }

  async #answerTo(variables: JsonObject): Promise<Written> {
    for (let attempt = 1; ; attempt++) {
      await this.#place.isUp();
      try {
        const { data, errors } = await post(this.#place.url, { query: setContext, variables });
        if (data?.['setContext'] !== undefined && errors === undefined) return data['setContext'] as Written;
        throw new Error(JSON.stringify(errors));
      } catch (error) {
        // Once for each restart, and never more often.
        if (attempt === 4) throw error;
      }
    }
  }
}

interface Written extends Position {
  readonly duplicate: boolean;
}

const setContext = `mutation ($id: ID!, $state: JSONObject!, $key: String!) {
  setContext(id: $id, state: $state, idempotencyKey: $key) { ... on SetContextPayload { epoch version duplicate } }
}`;

/** A client that goes on from its position whenever the server is back. */
export class HistoryReader {
  readonly name: string;
  copy: Copy | undefined;
  /** How many of each kind came, FULLs by their reason. */
  readonly seen: Record<string, number> = {};
  readonly #writer: HistoryWriter;
  readonly #connection: Connection;
  readonly #copies: Copy[] = [];
  readonly #problems: unknown[] = [];

  constructor(writer: HistoryWriter, transport: TransportName, place: Place) {
    this.#writer = writer;
    this.name = `${writer.history.name} over ${transport}`;
    this.#connection = transports[transport](new URL(place.url).origin, {
      contextId: writer.history.name,
      connecting: () => this.copy,
      take: (event) => this.#take(event),
      fail: (error) => this.#problems.push(error),
      networkIsBack: () => place.isUp(),
    });
  }

  get isThere(): boolean {
    return this.#problems.length > 0 || this.copy?.version === this.#writer.version;
  }

  /** What was wrong with what it was told. */
  get problems(): readonly string[] {
    const { documents, version, epoch } = this.#writer;
    const wrong = this.#copies.filter((copy) => {
      const document = documents.get(copy.version);
      return copy.epoch !== epoch || document === undefined || !equal(copy.state, document);
    });
    return [
      ...this.#problems.map(String),
      ...wrong.map((copy) => `a wrong state at version ${copy.version}`),
      ...(this.copy?.version === version ? [] : [`at version ${this.copy?.version}, not ${version}`]),
    ].map((problem) => `${this.name}: ${problem}`);
  }

  leave(): void {
    this.#connection.close();
  }

  #take(event: ContextEvent): void {
    const kind = event.__typename === 'FullContext' ? `FULL ${event.reason}` : event.__typename;
    this.seen[kind] = (this.seen[kind] ?? 0) + 1;
    try {
      this.copy = follow(this.copy, event);
      if (this.copy !== undefined) this.#copies.push(this.copy);
    } catch (error) {
      this.#problems.push(error);
      this.leave();
    }
  }
}
