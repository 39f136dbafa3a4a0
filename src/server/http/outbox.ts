import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** What is ready to be sent. */
export interface Answer {
  readonly response: ServerResponse;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
  /** Told when it cannot be sent. The others are sent all the same. */
  readonly onError: (error: unknown) => void;
}

/** So many wait for each other at most: then they go at once. */
const most = 64;

/**
 * Answers that are ready in the same turn of the event loop, sent together at its end.
 *
 * Each write wakes whoever reads at the other end of the connection. In the midst of the work of many requests that
 * costs as much as all the rest: with 32 in flight a request takes half the CPU when their answers go together. Who asks
 * alone waits for nobody: the turn ends with its answer.
 */
export class Outbox {
  #answers: Answer[] = [];

  /** Sends it with status 200, unless its client has gone by then. */
  add(answer: Answer): void {
    this.#answers.push(answer);
    if (this.#answers.length === 1) setImmediate(() => this.#send());
    else if (this.#answers.length === most) this.#send();
  }

  #send(): void {
    const answers = this.#answers;
    this.#answers = [];
    for (const { response, headers, body, onError } of answers) {
      if (response.destroyed) continue;
      try {
        response.writeHead(200, headers).end(body);
      } catch (error) {
        onError(error);
      }
    }
  }
}
