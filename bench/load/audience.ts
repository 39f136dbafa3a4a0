import { randomUUID } from 'node:crypto';
import type { Changes } from '../../src/delta/delta.ts';
import { equal, type JsonObject } from '../../src/delta/json.ts';
import { applySelected } from './apply.ts';
import { documents, type Selection, selections } from './documents.ts';
import { LoadStream } from './event-stream.ts';
import type { HttpConnection } from './http-connection.ts';
import { LoadSocket } from './web-socket.ts';

/** How subscribers are connected. */
export type Transport = 'WebSocket' | 'SSE';

/** What a subscriber is told, as far as the documents ask for it. */
export interface Event {
  readonly __typename: 'FullContext' | 'Delta' | 'NoChange';
  readonly epoch: string;
  readonly version: number;
  readonly fromVersion?: number;
  readonly context?: { readonly state: JsonObject };
  readonly changes?: Changes;
  readonly jsonPatch?: readonly object[];
  readonly mergePatch?: JsonObject;
}

/**
 * The subscribers of one context. Each is told one event for each write, and the first: another number of events ends
 * the benchmark, as does any byte that differs among those who select the same.
 */
export class Audience {
  readonly contextId: string;
  readonly followers: readonly Follower[];
  /** When the last write was sent. */
  sentAtMs = 0;
  /** Whether times are of interest: told when each event after the first has arrived. */
  onTold: ((atMs: number) => void) | undefined;
  readonly #groups: readonly Group[];
  #missing = 0;
  #allTold: (() => void) | undefined;

  constructor(contextId: string, size: number, selected: readonly Selection[]) {
    this.contextId = contextId;
    this.#groups = selected.map((selection) => new Group(contextId, selection));
    this.followers = this.#groups.flatMap((group, index) =>
      Array.from(
        { length: Math.ceil((size - index) / selected.length) },
        () => new Follower(group, () => this.#told()),
      ),
    );
  }

  /** Resolves when each was told once more. */
  nextEvent(): Promise<void> {
    this.#missing = this.followers.length;
    return new Promise((resolve) => {
      this.#allTold = resolve;
    });
  }

  /** All of them are cut off, and know where they were. */
  disconnect(): void {
    for (const follower of this.followers) follower.disconnect();
    for (const group of this.#groups) group.restart();
  }

  /** @throws when the server has another state than they. */
  async checkState(server: HttpConnection): Promise<void> {
    const { context } = await server.ask({ query: documents.context, variables: { id: this.contextId } });
    // As the document asks for it.
    const { version, state } = context as { readonly version: number; readonly state: JsonObject };
    for (const group of this.#groups) {
      if (group.version === version && equal(group.state, state)) continue;
      throw new Error(`${group.selection} of ${this.contextId}: at ${group.version}, the server at ${version}.`);
    }
  }

  #told(): void {
    // The first events come one by one; nobody waits for all of them.
    if (this.#missing === 0) return;
    this.onTold?.(performance.now());
    this.#missing--;
    if (this.#missing === 0) this.#allTold?.();
  }
}

/** Those who select the same: the first who hears of an event reads it, the others must hear the same. */
class Group {
  readonly contextId: string;
  readonly selection: Selection;
  state: JsonObject = {};
  version = 0;
  #epoch: string | undefined;
  /** Where all of them are when they connect, as variables. */
  resumeFrom: object = {};
  /** Events since the connection, and the text of the last. */
  #count = 0;
  #text = Buffer.alloc(0);

  constructor(contextId: string, selection: Selection) {
    this.contextId = contextId;
    this.selection = selection;
  }

  restart(): void {
    this.#count = 0;
    this.resumeFrom = { clientVersion: this.version, clientEpoch: this.#epoch };
  }

  /** @param index which event of its connection this is. */
  hear(index: number, text: Buffer, { message, from, to }: Parts): void {
    if (index === this.#count) {
      this.#apply(JSON.parse(text.toString('utf8', message, to)));
      this.#text = Buffer.from(text.subarray(from, to));
      this.#count++;
    } else if (index !== this.#count - 1) {
      throw new Error(`A gap: event ${index}, others are at ${this.#count}.`);
    } else if (text.compare(this.#text, 0, this.#text.length, from, to) !== 0) {
      const texts = [text.toString('utf8', message, to), this.#text.toString()];
      throw new Error(['Two texts of one event:', ...texts.map((one) => one.slice(0, 500))].join('\n'));
    }
  }

  #apply(answer: { readonly payload?: unknown; readonly data?: unknown; readonly errors?: unknown }): void {
    // What the documents ask for, in the envelope of the WebSocket or without.
    const result = (answer.payload ?? answer) as { readonly data?: { readonly contextChanged: Event } };
    if (result.data === undefined || 'errors' in result) throw new Error(`Not expected: ${JSON.stringify(answer)}`);
    const event = result.data.contextChanged;
    const isNext = event.epoch === this.#epoch && event.fromVersion === this.version && event.version > this.version;
    const isSame = event.epoch === this.#epoch && event.version === this.version;
    if (event.__typename === 'FullContext') this.state = event.context?.state ?? {};
    else if (event.__typename === 'Delta' && isNext) this.state = applySelected(this.state, event);
    else if (!isSame)
      throw new Error(`At ${this.version}, told ${event.__typename} ${event.fromVersion} to ${event.version}.`);
    this.#epoch = event.epoch;
    this.version = event.version;
  }
}

/** Where a message begins, and what of it is the same for all. */
interface Parts {
  readonly message: number;
  readonly from: number;
  readonly to: number;
}

/** One subscriber, with a connection of its own. */
export class Follower {
  readonly #group: Group;
  readonly #told: () => void;
  /** As long as those that clients choose. */
  readonly #operationId = randomUUID();
  /** The text up to its operation id. */
  #head = Buffer.alloc(0);
  #count = 0;
  #connection: LoadSocket | LoadStream | undefined;

  constructor(group: Group, told: () => void) {
    this.#group = group;
    this.#told = told;
  }

  /** Resolves with the first event; goes on from where it was. */
  connect(port: number, transport: Transport): Promise<void> {
    const { contextId, selection, resumeFrom } = this.#group;
    const variables = { id: contextId, ...resumeFrom };
    const payload = { query: selections[selection], operationName: selection, variables };
    return new Promise((resolve) => {
      const hear = (text: Buffer, from: number, to: number) => {
        this.#hear(text, from, to);
        if (this.#count === 1) resolve();
      };
      const subscribe = () => JSON.stringify({ id: this.#operationId, type: 'subscribe', payload });
      this.#connection =
        transport === 'SSE' ? new LoadStream(port, payload, hear) : new LoadSocket(port, subscribe(), hear);
    });
  }

  disconnect(): void {
    this.#connection?.kill();
    this.#count = 0;
    this.#head = Buffer.alloc(0);
  }

  #hear(text: Buffer, from: number, to: number): void {
    if (this.#count === 0 && this.#connection instanceof LoadSocket) {
      const at = text.indexOf(this.#operationId, from);
      if (at === -1 || at >= to) throw new Error(`Not expected: ${text.toString('utf8', from, to)}`);
      this.#head = Buffer.from(text.subarray(from, at + this.#operationId.length));
    }
    const headEnd = from + this.#head.length;
    if (text.compare(this.#head, 0, this.#head.length, from, headEnd) !== 0) {
      throw new Error(`Not for ${this.#operationId}: ${text.toString('utf8', from, to)}`);
    }
    this.#group.hear(this.#count, text, { message: from, from: headEnd, to });
    this.#count++;
    this.#told();
  }
}
