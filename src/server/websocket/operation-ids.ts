/**
 * The ids that a client gives its operations on one WebSocket.
 *
 * A client may use an id again as soon as it has completed it, while what it asked for has not ended yet. graphql-ws
 * keeps operations by id alone: the former one would answer in the name of its successor, and take the successor's place
 * with it when it ends, so that this one went on for ever. So the successor waits here until the former one has ended.
 */
export class OperationIds {
  /** When the operations end that have begun. */
  readonly #ends = new Map<string, Promise<void>>();
  /** Those that the client has completed and that have not ended: the successor that waits, if there is one. */
  readonly #completed = new Map<string, Successor | undefined>();
  #begun: string | undefined;

  /** To be called for every operation, before `handle` of `receive` returns. */
  begin(id: string): void {
    this.#begun = id;
  }

  /**
   * Has a message handled, at once or when its turn has come.
   *
   * @param handle resolves when everything that the message asks for has ended.
   * @param onConflict called instead when the id has a successor already.
   */
  async receive(
    message: string,
    handle: (message: string) => Promise<unknown>,
    onConflict: (id: string) => void,
  ): Promise<void> {
    const { type, id } = this.#look(message);
    if (id === undefined || !(this.#completed.has(id) || type === 'complete')) return this.#track(handle(message));
    const end = this.#ends.get(id);
    if (type === 'complete') {
      this.#completed.get(id)?.leave();
      if (end !== undefined && !this.#completed.has(id)) {
        this.#completed.set(id, undefined);
        void end.then(() => this.#completed.delete(id));
      }
      await handle(message);
    } else if (type === 'subscribe' && end !== undefined) {
      if (this.#completed.get(id)?.hasLeft === false) return onConflict(id);
      const successor = new Successor(() => this.#track(handle(message)));
      this.#completed.set(id, successor);
      await end;
      await successor.go();
    } else await handle(message);
  }

  /** Most messages need no look: what a client completes is short, and few things that it has completed go on. */
  #look(message: string): { readonly type?: unknown; readonly id?: string } {
    const mayComplete = message.length < maxCompleteLength && message.includes('complete');
    if (!mayComplete && this.#completed.size === 0) return {};
    try {
      const { type, id } = JSON.parse(message) as { readonly type?: unknown; readonly id?: unknown };
      return typeof id === 'string' ? { type, id } : {};
    } catch {
      // graphql-ws says so.
      return {};
    }
  }

  async #track(work: Promise<unknown>): Promise<void> {
    const id = this.#begun;
    this.#begun = undefined;
    if (id !== undefined) {
      const end = work.then(nothing, nothing).then(() => {
        if (this.#ends.get(id) === end) this.#ends.delete(id);
      });
      this.#ends.set(id, end);
    }
    await work;
  }
}

/** An operation that waits for the former one of its id. */
class Successor {
  #begin: (() => Promise<void>) | undefined;

  constructor(begin: () => Promise<void>) {
    this.#begin = begin;
  }

  get hasLeft(): boolean {
    return this.#begin === undefined;
  }

  leave(): void {
    this.#begin = undefined;
  }

  async go(): Promise<void> {
    await this.#begin?.();
  }
}

/** What is longer is looked at only while it may matter. Whoever hides a `complete` mixes up its own operations, until the socket closes. */
const maxCompleteLength = 10_000;

function nothing(): void {}
