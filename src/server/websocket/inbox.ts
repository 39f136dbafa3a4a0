import { setImmediate } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import type { Turns } from '../turns.ts';

/** So much may wait to be written before further messages of the same socket are looked at. */
const maxUnsentBytes = 1024 * 1024;
/** So much text of messages that are being worked on, in UTF-16 code units, keeps further ones from being looked at. */
const maxWorkedOn = 16 * 1024 * 1024;
/** So many messages are handed on before the answers that they cause are counted. */
const maxBurst = 16;

/**
 * Hands on the messages of a socket no faster than its answers leave: a client that asks and does not read is not read
 * either, so what it asked for does not pile up here.
 */
export class Inbox {
  readonly #socket: WebSocket;
  readonly #turns: Turns;
  /** Bounded by what one read of the socket brought: it is paused while something waits. */
  readonly #waiting: string[] = [];
  #isWorking = false;
  #workedOn = 0;
  #onWritten: (() => void) | undefined;

  /** @param turns of all sockets, since what a message asks for may take long. */
  constructor(socket: WebSocket, turns: Turns) {
    this.#socket = socket;
    this.#turns = turns;
    // Not `once`, which keeps more, and as long as the socket.
    socket.on('close', () => this.written());
  }

  /** @param handle must not throw; its text is held until it is released. */
  onMessage(handle: (message: string) => void): void {
    this.#socket.on('message', (data: Buffer) => {
      // One that is being closed is still read until its client agrees, or for long.
      if (!this.#isOpen) return;
      this.#waiting.push(data.toString());
      if (!this.#isWorking) void this.#work(handle);
    });
  }

  /** Called whenever something was written or is done with, and when nothing will be any more. */
  written(): void {
    this.#onWritten?.();
  }

  /** A message that was handed on is needed no more. @param length of its text; to be called once for each. */
  release(length: number): void {
    this.#workedOn -= length;
    this.written();
  }

  /** Never rejects. */
  async #work(handle: (message: string) => void): Promise<void> {
    this.#isWorking = true;
    // The first by itself: clients say hello and what they want in one breath, and the hello is answered in between.
    let burst = 1;
    while (this.#waiting.length > 0 && this.#isOpen) {
      this.#socket.pause();
      await this.#turns.next();
      if (!this.#isOpen) break;
      for (const message of this.#waiting.splice(0, burst)) {
        // What one of them is closed for ends the others, too.
        if (!this.#isOpen) break;
        this.#workedOn += message.length;
        handle(message);
      }
      burst = maxBurst;
      await setImmediate();
      while (this.#isOpen && this.#isFull) await this.#nextWritten();
    }
    this.#isWorking = false;
    if (!this.#isOpen) this.#waiting.length = 0;
    // Also one that is being closed: its client's answer must be read, or both wait until the timer of `ws` ends it.
    this.#socket.resume();
  }

  get #isFull(): boolean {
    return this.#socket.bufferedAmount > maxUnsentBytes || this.#workedOn > maxWorkedOn;
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  #nextWritten(): Promise<void> {
    this.#socket.pause();
    return new Promise((resolve) => {
      this.#onWritten = resolve;
    });
  }
}
