/**
 * Subscriptions that are told the same, so that each event is executed and written once for all of them.
 *
 *   same document · same operation · same variables below the root ──► Group ──► text of an event
 *
 * A group executes with a scope that has nothing in it but the format of deltas: whatever else a field may ask for (who
 * asks, the store) makes the result fail here, and then each subscriber is told by an execution of its own. So what is
 * shared depends on the event alone, also with fields that nobody has thought of yet.
 */
import { type DocumentNode, type ExecutionArgs, execute } from 'graphql';
import type { RequestScope } from '../../graphql/request.ts';
import type { ContextEvent } from '../../model.ts';

/** The format of deltas. */
type Format = RequestScope['chord']['formatDelta'];

/** A result that is written once. Transports keep what they make of it by this object. */
export interface SharedResult {
  readonly json: string;
}

/** The groups of one server. */
export class Groups {
  /** A document that is asked again is the same object (document-cache.ts). */
  readonly #byDocument = new WeakMap<DocumentNode, Map<string, Group>>();
  readonly #scope: object;

  constructor(formatDelta: Format) {
    this.#scope = sharedScope(formatDelta);
  }

  /**
   * To be left.
   *
   * @param key of these arguments (share-key.ts).
   */
  join(args: ExecutionArgs, key: string): Group {
    const { document } = args;
    const groups = this.#byDocument.get(document) ?? new Map<string, Group>();
    this.#byDocument.set(document, groups);
    const group = groups.get(key) ?? new Group({ ...args, contextValue: this.#scope }, () => groups.delete(key));
    groups.set(key, group);
    group.join();
    return group;
  }
}

/** Those that are told the same. */
export class Group {
  readonly #args: ExecutionArgs;
  readonly #onEmpty: () => void;
  #members = 0;
  /** Null: it cannot be shared. As long as the event is kept: it is the newest one, or is being sent. */
  readonly #results = new WeakMap<ContextEvent, SharedResult | null>();

  constructor(args: ExecutionArgs, onEmpty: () => void) {
    this.#args = args;
    this.#onEmpty = onEmpty;
  }

  join(): void {
    this.#members++;
  }

  leave(): void {
    this.#members--;
    if (this.#members === 0) this.#onEmpty();
  }

  /** Undefined: every member has one of its own. */
  resultOf(event: ContextEvent): SharedResult | undefined {
    const known = this.#results.get(event);
    if (known !== undefined) return known ?? undefined;
    const json = this.#write(event);
    const result = json === undefined ? null : { json };
    this.#results.set(event, result);
    return result ?? undefined;
  }

  #write(event: ContextEvent): string | undefined {
    try {
      const result = execute({ ...this.#args, rootValue: event });
      // A field that waits: each subscriber executes it, and is told of its failure.
      if (result instanceof Promise) {
        result.catch(() => undefined);
        return undefined;
      }
      // Errors carry the id of a request: each subscriber gets its own.
      return result.errors === undefined ? JSON.stringify(result) : undefined;
    } catch {
      // No JSON, or too long for a string: whoever is told by itself is told why.
      return undefined;
    }
  }
}

/** What a result may depend on beside the event. */
function sharedScope(formatDelta: Format): object {
  return only({ chord: only({ formatDelta }), onPosition: undefined });
}

/** An object without anything else, not even `undefined`. */
function only<T extends object>(parts: T): T {
  return new Proxy(parts, {
    get: (target, name) => {
      if (Object.hasOwn(target, name)) return Reflect.get(target, name) as unknown;
      throw new TypeError('A result that is shared depends on its event alone.');
    },
  });
}
