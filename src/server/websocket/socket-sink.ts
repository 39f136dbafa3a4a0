import type { Duplex } from 'node:stream';
import { MessageType } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { ContextEvent } from '../../model.ts';
import type { SharedResult } from '../fanout/groups.ts';
import type { ResultSender, ResultSink } from '../fanout/shared-results.ts';
import { textFrame } from './frame.ts';

/** Where the frames of a WebSocket go. */
export interface FrameTarget {
  readonly socket: Pick<WebSocket, 'readyState' | 'OPEN'>;
  /** Below it. `ws` writes each message at once and whole (it compresses nothing), so what is written between stays between. */
  readonly stream: Duplex;
  /** Whether more than one operation may have something to send in a turn of the event loop. */
  readonly hasSeveralOperations: boolean;
  onWritten(): void;
}

/**
 * Results of one operation on a WebSocket, each as the message that graphql-ws makes of it.
 *
 * What is the same for all is encoded once, and `ws` is left out: of what a delivery costs beside the system call, half
 * would be its way through `send`.
 */
export class SocketSink implements ResultSink {
  readonly #target: FrameTarget;
  readonly #id: string;

  constructor(target: FrameTarget, id: string) {
    this.#target = target;
    this.#id = id;
  }

  send(result: SharedResult, _event: ContextEvent, sender: ResultSender): void {
    const target = this.#target;
    const { socket, stream } = target;
    if (socket.readyState !== socket.OPEN || !stream.writable) return;
    const head = `{"id":${JSON.stringify(this.#id)},"type":"${MessageType.Next}","payload":`;
    const [frame, rest] = textFrame(head, tailOf(result));
    // A socket that fails is closed by `ws`, and its subscriptions end with that.
    const onEnd = () => {
      target.onWritten();
      sender.onSent();
    };
    if (target.hasSeveralOperations) writeTogether(stream);
    if (rest === undefined) return void stream.write(frame, onEnd);
    stream.cork();
    stream.write(frame);
    stream.write(rest, onEnd);
    stream.uncork();
  }
}

/** What is written until everybody who has a turn now has had it leaves by one system call. Alone it would be detained for nothing. */
function writeTogether(stream: Duplex): void {
  if (stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(uncork, stream);
}

function uncork(stream: Duplex): void {
  stream.uncork();
}

/** What follows the head, by the result. */
const tails = new WeakMap<SharedResult, Buffer>();

function tailOf(result: SharedResult): Buffer {
  const known = tails.get(result);
  if (known !== undefined) return known;
  const tail = Buffer.from(`${result.json}}`);
  tails.set(result, tail);
  return tail;
}
