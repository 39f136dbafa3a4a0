import { BackendUnavailableError } from '../../../errors.ts';
import type { Subscriber } from './subscriber.ts';

/** The watched channels of one partition. One server tells of all of them, so they move together. */
export interface Partition {
  /** The hash tag in their names, with its braces. */
  readonly tag: string;
  /** Of a Cluster. */
  readonly slot: number;
  readonly channels: Set<Channel>;
  /** Who subscribes to them; undefined: it is not known yet which server they are at. */
  subscriber: Subscriber | undefined;
}

/** One attempt to subscribe to channels, over one connection. */
export interface Attempt {
  isConfirmed: boolean;
}

interface Waiter {
  resolve(): void;
  reject(error: BackendUnavailableError): void;
}

/** A channel while somebody watches it. */
export class Channel {
  readonly name: string;
  readonly id: string;
  readonly partition: Partition;
  /** How many watches there are. */
  watches = 0;
  /** The one that counts: a confirmation of any other comes too late. Undefined: it has to be subscribed to. */
  attempt: Attempt | undefined;
  #wasConfirmed = false;
  /** Mostly nobody. */
  #waiters: Set<Waiter> | undefined;

  constructor(name: string, id: string, partition: Partition) {
    this.name = name;
    this.id = id;
    this.partition = partition;
  }

  get isConfirmed(): boolean {
    return this.attempt?.isConfirmed === true;
  }

  /** Its attempt was confirmed. Answers whether announcements may have been lost since an earlier one was. */
  confirm(): boolean {
    const mayHaveLost = this.#wasConfirmed;
    this.#wasConfirmed = true;
    for (const waiter of this.#waiters ?? []) waiter.resolve();
    return mayHaveLost;
  }

  /** Whoever waits for a confirmation is told that there will be none. */
  refuse(error: BackendUnavailableError): void {
    for (const waiter of this.#waiters ?? []) waiter.reject(error);
  }

  /**
   * Resolves when the subscription is confirmed.
   *
   * @throws BackendUnavailableError with outcome NOT_STORED when it is not within the time.
   */
  async confirmed(timeoutMs: number): Promise<void> {
    if (this.isConfirmed) return;
    this.#waiters ??= new Set();
    const waiters = this.#waiters;
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        waiters.delete(waiter);
      };
      const waiter: Waiter = {
        resolve: () => {
          end();
          resolve();
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiter.reject(this.#timeout(timeoutMs)), timeoutMs);
      waiters.add(waiter);
    });
  }

  #timeout(timeoutMs: number): BackendUnavailableError {
    const { subscriber } = this.partition;
    const reason = subscriber === undefined ? 'its server is not known yet' : subscriber.problem;
    const cause = reason === undefined ? undefined : new Error(`Announcements of Redis are missed: ${reason}.`);
    const message = `Redis did not confirm a subscription within ${timeoutMs} ms.`;
    return new BackendUnavailableError(message, 'NOT_STORED', { cause });
  }
}
