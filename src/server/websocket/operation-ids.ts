/** What a message asks for. */
export interface Work {
  /** Resolves when everything that the message asks for has ended. Must not reject. */
  run(): Promise<void>;
  /** It will not be done. */
  drop(): void;
}

/** An operation that goes on. */
interface Running {
  /** By its client. */
  isCompleted: boolean;
  /** The one that is to have its id. */
  successor: Work | undefined;
}

/**
 * The ids that a client gives its operations on one WebSocket.
 *
 * A client may use an id again as soon as it has completed it, while what it asked for has not ended yet. graphql-ws
 * keeps operations by id alone: the former one would answer in the name of its successor, and take the successor's place
 * with it when it ends, so that this one went on for ever. So the successor waits here until the former one has ended.
 */
export class OperationIds {
  readonly #running = new Map<string, Running>();

  /**
   * Has a message worked on, at once or when its turn has come.
   *
   * @param message as it was sent, whatever it is.
   * @param onConflict called instead when the id has a successor already.
   */
  receive(message: unknown, work: Work, onConflict: (id: string) => void): void {
    const { type, id } = asMessage(message);
    if (typeof id !== 'string') return void work.run();
    const former = this.#running.get(id);
    if (type === 'complete' && former !== undefined) {
      former.isCompleted = true;
      former.successor?.drop();
      former.successor = undefined;
    } else if (type === 'subscribe') {
      if (former === undefined) return this.#begin(id, work);
      if (former.isCompleted && former.successor !== undefined) {
        work.drop();
        return onConflict(id);
      }
      if (former.isCompleted) {
        former.successor = work;
        return;
      }
    }
    void work.run();
  }

  #begin(id: string, work: Work): void {
    const running: Running = { isCompleted: false, successor: undefined };
    this.#running.set(id, running);
    void work.run().then(() => {
      this.#running.delete(id);
      if (running.successor !== undefined) this.#begin(id, running.successor);
    });
  }
}

function asMessage(message: unknown): { readonly type?: unknown; readonly id?: unknown } {
  return typeof message === 'object' && message !== null ? message : {};
}
