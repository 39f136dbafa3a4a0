import type { Socket } from 'node:net';

interface Watched {
  readonly onStall: () => void;
  progress: Progress;
  idleLooks: number;
}

/** Changes whenever bytes leave. */
interface Progress {
  readonly writtenBytes: number;
  readonly queuedBytes: number;
  readonly isWaiting: boolean;
}

/** In so many looks, evenly over the timeout, a socket must have written something. */
const patience = 8;

/**
 * Finds sockets that want to write and cannot write anything at all for `timeoutMs`.
 *
 * Slowness is no reason to be dropped: any byte that leaves starts the time anew. A peer that died without a word is
 * the kernel's to notice (TCP keep-alive). Looks are counted and not time: while the process was busy with something
 * else, nothing could be written either.
 */
export class StallWatch {
  readonly #sockets = new Map<Socket, Watched>();
  /** The same for all: a listener of its own would last as long as a connection. */
  readonly #onClose: (this: Socket) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number) {
    const sockets = this.#sockets;
    this.#onClose = function onClose() {
      sockets.delete(this);
    };
    this.#timer = setInterval(() => this.#look(), Math.max(10, timeoutMs / patience));
    this.#timer.unref();
  }

  /** `onStall` is called at most once; a socket that is watched already changes what is called. */
  watch(socket: Socket, onStall: () => void): void {
    if (!this.#sockets.has(socket)) socket.on('close', this.#onClose);
    this.#sockets.set(socket, { onStall, progress: progressOf(socket), idleLooks: 0 });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#sockets.clear();
  }

  #look(): void {
    for (const [socket, watched] of this.#sockets) {
      const progress = progressOf(socket);
      if (!isSame(progress, watched.progress)) {
        watched.progress = progress;
        watched.idleLooks = 0;
      } else if (progress.isWaiting && ++watched.idleLooks >= patience) {
        this.#sockets.delete(socket);
        watched.onStall();
      }
    }
  }
}

/**
 * The handle also sees parts of one large write, which the stream counts at its end; by TLS only the handle below sees
 * them, since all of it was encrypted at once.
 */
function progressOf(socket: Socket): Progress {
  // Node's own idle timer reads the same fields; they are not in the types.
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null };
  const { _parent: below = handle } = handle ?? {};
  return {
    writtenBytes: socket.bytesWritten - socket.writableLength,
    queuedBytes: below?.writeQueueSize ?? 0,
    isWaiting: socket.writableLength > 0,
  };
}

function isSame(a: Progress, b: Progress): boolean {
  return a.writtenBytes === b.writtenBytes && a.queuedBytes === b.queuedBytes && a.isWaiting === b.isWaiting;
}

interface Handle {
  readonly writeQueueSize?: number;
  readonly _parent?: { readonly writeQueueSize?: number };
}
