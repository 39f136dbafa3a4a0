import type { Redis } from 'ioredis';

/** A server is asked for a sign of life so often in the time that it may be silent. */
const beatsPerTimeout = 3;

/** How a connection is looked after. */
export interface HeartbeatOptions {
  /** About how long the server may be silent: a third more at most. */
  readonly timeoutMs: number;
  /** At each beat but the last. */
  readonly onBeat: () => void;
  /** The connection is open, and of no use. */
  readonly onDead: () => void;
}

/**
 * Notices when a connection is dead although nobody closed it: the server hangs, or the network between. Beats are
 * counted, not time: when it is this process that hung, the answers are there and are read before the next beat.
 *
 * @returns what ends it.
 */
export function startHeartbeat(redis: Redis, { timeoutMs, onBeat, onDead }: HeartbeatOptions): () => void {
  const { stream } = redis;
  let bytesRead = -1;
  let silentBeats = 0;
  let isAsked = false;
  const beat = (): void => {
    silentBeats = stream.bytesRead === bytesRead ? silentBeats + 1 : 0;
    bytesRead = stream.bytesRead;
    if (silentBeats >= beatsPerTimeout) {
      onDead();
      return;
    }
    onBeat();
    if (isAsked) return;
    isAsked = true;
    redis.ping().then(
      () => {
        isAsked = false;
      },
      (error: Error) => {
        // A refusal is a sign of life, too. This one is the answer to another command, see subscriber.ts.
        if (error.message.startsWith('MOVED ')) onDead();
        isAsked = false;
      },
    );
  };
  const timer = setInterval(beat, timeoutMs / beatsPerTimeout).unref();
  return () => clearInterval(timer);
}
