import type { Socket } from 'node:net';

interface Watched {
  readonly onStall: () => void;
  progress: string;
  idleLooks: number;
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
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number) {
    this.#timer = setInterval(() => this.#look(), Math.max(10, timeoutMs / patience));
    this.#timer.unref();
  }

  /** `onStall` is called at most once; a socket that is watched already changes what is called. */
  watch(socket: Socket, onStall: () => void): void {
    if (!this.#sockets.has(socket)) socket.once('close', () => this.#sockets.delete(socket));
    this.#sockets.set(socket, { onStall, progress: '', idleLooks: 0 });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#sockets.clear();
  }

  #look(): void {
    for (const [socket, watched] of this.#sockets) {
      const progress = progressOf(socket);
      if (progress !== watched.progress) {
        watched.progress = progress;
        watched.idleLooks = 0;
      } else if (socket.writableLength > 0 && ++watched.idleLooks >= patience) {
        this.#sockets.delete(socket);
        watched.onStall();
      }
    }
  }
}

/**
 * Changes whenever bytes leave. The handle also sees parts of one large write, which the stream counts at its end; by TLS
 * only the handle below sees them, since all of it was encrypted at once.
 */
function progressOf(socket: Socket): string {
  // Node's own idle timer reads the same fields; they are not in the types.
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null };
  const { _parent: below = handle } = handle ?? {};
  const queued = below?.writeQueueSize ?? 0;
  return `${socket.bytesWritten - socket.writableLength} ${queued} ${socket.writableLength > 0}`;
}

interface Handle {
  readonly writeQueueSize?: number;
  readonly _parent?: { readonly writeQueueSize?: number };
}
