/** What a message asks for. */
export interface Work {
  /** Resolves when everything that the message asks for has ended. */
  run(): Promise<void>;
  /** What running failed with. */
  fail(error: unknown): void;
  /** The text of the message is needed no more. */
  release(): void;
  /** Everything has ended, or will not be done. Called once. */
  end(): void;
}

/** What comes of a subscription. */
type Results = AsyncIterable<unknown>;

/** An operation that goes on. */
interface Operation {
  readonly work: Work;
  /** Of a subscription that has events to come. */
  results: Results | undefined;
  /** By its client. */
  isCompleted: boolean;
  /** The one that is to have its id. */
  successor: Work | undefined;
}

/**
 * The operations of one WebSocket, by the ids that its client gives them.
 *
 * A client may use an id again as soon as it has completed it, while what it asked for has not ended yet. graphql-ws
 * keeps operations by id alone: the former one would answer in the name of its successor, and take the successor's place
 * with it when it ends, so that this one went on for ever. So the successor waits here until the former one has ended.
 */
export class Operations {
  readonly #running = new Map<string, Operation>();

  /** How many go on. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * Has a message worked on, at once or when its turn has come.
   *
   * @param message as it was sent, whatever it is.
   * @param onConflict called instead when the id has a successor already.
   */
  receive(message: unknown, work: Work, onConflict: (id: string) => void): void {
    const { type, id } = asMessage(message);
    if (typeof id !== 'string') return run(work);
    const former = this.#running.get(id);
    if (type === 'complete' && former !== undefined) {
      former.isCompleted = true;
      former.successor?.end();
      former.successor = undefined;
    } else if (type === 'subscribe') {
      if (former === undefined) return this.#begin(id, work);
      if (former.isCompleted) {
        if (former.successor === undefined) {
          former.successor = work;
          return;
        }
        work.end();
        return onConflict(id);
      }
    }
    run(work);
  }

  /** An operation is a subscription, which may last for days: its message is needed no more. */
  follow(id: string, results: Results): void {
    const operation = this.#running.get(id);
    if (operation === undefined) throw new TypeError('Results of an operation that does not go on.');
    operation.results = results;
    operation.work.release();
  }

  /** False: it is none that has events to come. */
  unfollow(id: string): boolean {
    const operation = this.#running.get(id);
    if (operation?.results === undefined) return false;
    operation.results = undefined;
    return true;
  }

  /** Ends what graphql-ws has lost track of, because its client used an id twice. The others have ended already. */
  endAll(): void {
    for (const { results } of this.#running.values()) {
      // A subscription that fails while it ends has nobody left to tell.
      results?.[Symbol.asyncIterator]()
        .return?.()
        .catch(() => undefined);
    }
  }

  #begin(id: string, work: Work): void {
    const operation: Operation = { work, results: undefined, isCompleted: false, successor: undefined };
    this.#running.set(id, operation);
    run(work, () => {
      this.#running.delete(id);
      if (operation.successor !== undefined) this.#begin(id, operation.successor);
    });
  }
}

function run(work: Work, onEnd?: () => void): void {
  const end = () => {
    work.end();
    onEnd?.();
  };
  work.run().then(end, (error: unknown) => {
    work.fail(error);
    end();
  });
}

function asMessage(message: unknown): { readonly type?: unknown; readonly id?: unknown } {
  return typeof message === 'object' && message !== null ? message : {};
}
