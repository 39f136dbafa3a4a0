/**
 * Calls to the user's code: an exporter or a provider. Each is raced against the time, the close of the service and
 * its caller, since that code may ignore its signal; and whatever it throws is logged here, once, and told to clients
 * without its words, which may hold a URL or a secret.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { BackendUnavailableError, ExternalStorageError } from '../errors.ts';
import type { ExternalCall } from '../external/external.ts';
import type { Logger } from '../observability/logger.ts';
import { AbortGroups } from './abort-groups.ts';

/** Whose code is called, and for which context. */
export interface Callee {
  readonly role: 'exporter' | 'provider';
  readonly name: string;
  readonly id: string;
}

/** What the calls work with. Times in ms. */
export interface ExternalCallsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long one call may take. */
  readonly externalTimeoutMs: number;
}

/** So many calls of one process may be under way; one more fails at once. */
const maxCallsUnderWay = 1_000;

/** All calls of one process to the user's exporter and provider. */
export class ExternalCalls {
  readonly #options: ExternalCallsOptions;
  readonly #underWay = new Set<AbortController>();
  readonly #callers = new AbortGroups();
  #closed = false;

  constructor(options: ExternalCallsOptions) {
    this.#options = options;
  }

  /**
   * What the user's code answers.
   *
   * @param caller gives the call up, which is not logged.
   * @throws ExternalStorageError; BackendUnavailableError NOT_STORED when the service is closed.
   */
  async make<T>(to: Callee, ask: (call: ExternalCall) => Promise<T>, caller?: AbortSignal): Promise<T> {
    if (this.#closed) throw closed();
    if (caller?.aborted === true) throw givenUp(to);
    if (this.#underWay.size >= maxCallsUnderWay) {
      throw this.failed(to, `has ${maxCallsUnderWay} calls under way, and gets no more.`);
    }
    const ending = new AbortController();
    const member = { end: () => ending.abort(givenUp(to)) };
    this.#underWay.add(ending);
    if (caller !== undefined) this.#callers.add(caller, member);
    const answered = new AbortController();
    const answer = call(ask, ending.signal);
    try {
      return await Promise.race([this.#end(ending, answered.signal), answer]);
    } catch (error) {
      if (ending.signal.reason === timeIsUp) {
        const cause = await reasonOf(answer);
        throw this.failed(to, `did not finish within ${this.#options.externalTimeoutMs} ms.`, cause);
      }
      throw ending.signal.aborted ? ending.signal.reason : this.failed(to, 'failed.', error);
    } finally {
      answered.abort();
      if (caller !== undefined) this.#callers.delete(caller, member);
      this.#underWay.delete(ending);
    }
  }

  /** Logs a failure, once, and makes what is told of it. */
  failed({ role, name, id }: Callee, problem: string, cause?: unknown): ExternalStorageError {
    const error = new ExternalStorageError(`The ${role} "${name}" ${problem}`, cause === undefined ? {} : { cause });
    this.#options.logger.warn(`${role} failed`, { id, error });
    return error;
  }

  /** Gives up what is under way, at once, and refuses whatever comes later. */
  close(): void {
    this.#closed = true;
    for (const ending of this.#underWay) ending.abort(closed());
  }

  /** Rejects with the reason when the call is ended, which the time does too unless it was answered before. */
  #end(ending: AbortController, answered: AbortSignal): Promise<never> {
    const { clock, externalTimeoutMs } = this.#options;
    // Neither waits for more than the clock, which never rejects.
    void clock.sleep(externalTimeoutMs, answered).then(() => {
      if (!answered.aborted && !ending.signal.aborted) ending.abort(timeIsUp);
    });
    return new Promise((_resolve, reject) => {
      ending.signal.addEventListener('abort', () => reject(ending.signal.reason), { once: true });
    });
  }
}

const timeIsUp = new DOMException('The time is up.', 'TimeoutError');

/** What a call that listens to its signal says when that aborts: it knows best what it waited for. */
async function reasonOf(answer: Promise<unknown>): Promise<unknown> {
  const reason = answer.then(
    () => undefined,
    (error: unknown) => (error === timeIsUp ? undefined : error),
  );
  return Promise.race([reason, setImmediate(undefined)]);
}

/** Also what is thrown at once is a rejection. */
async function call<T>(ask: (call: ExternalCall) => Promise<T>, signal: AbortSignal): Promise<T> {
  return ask({ signal });
}

function givenUp({ role, name }: Callee): ExternalStorageError {
  return new ExternalStorageError(`The ${role} "${name}" is not waited for any more.`);
}

function closed(): BackendUnavailableError {
  return new BackendUnavailableError('The server is shutting down.', 'NOT_STORED');
}
