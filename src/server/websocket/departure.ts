/**
 * When a WebSocket may go: when no message of it is being worked on, but for the subscriptions that are followed.
 *
 * A client repeats on its next connection what was not completed on this one. A mutation that was done and not answered
 * would be done twice.
 */
export class Departure {
  #working = 0;
  #followed = 0;
  #go: (() => void) | undefined;

  /** It is about to go: what comes now is for the next connection. */
  get isLeaving(): boolean {
    return this.#go !== undefined;
  }

  /** Work on a message begins. */
  begin(): void {
    this.#working++;
  }

  /** Everything that answers it was sent. */
  end(): void {
    this.#working--;
    this.#look();
  }

  /** A message became a subscription, which has events to come. */
  follow(): void {
    this.#followed++;
    this.#look();
  }

  /** It has none any more: only its last words are still to be sent. */
  unfollow(): void {
    this.#followed--;
  }

  /** Calls `go` as soon as nothing is owed, once. */
  leave(go: () => void): void {
    this.#go ??= go;
    this.#look();
  }

  #look(): void {
    if (this.#working > this.#followed) return;
    const go = this.#go;
    this.#go &&= () => undefined;
    go?.();
  }
}
