/** What a worker knows of its primary, and tells it. */
import cluster from 'node:cluster';
import type { Started } from '../app/started.ts';
import { parseToWorker, type ToPrimary } from './messages.ts';

/** In the environment of our workers, since a process manager may have made this process by node:cluster, too. */
export const mark = 'WORKER_OF_CHORD';

/** The number of this process among the workers of its primary; undefined: it is none. No number is given twice. */
export function workerNumber(): number | undefined {
  return process.env[mark] === undefined ? undefined : cluster.worker?.id;
}

/** Tells the primary that this worker serves. */
export function tellStarted({ url, isReady }: Started): void {
  tell({ kind: 'chord:started', url, isReady });
}

/** Answers the primary from now on, and calls when it asks this worker to stop; never, when it is none. */
export function onStopAsked(listener: () => void): void {
  if (workerNumber() === undefined) return;
  process.on('message', (message: unknown) => {
    const asked = parseToWorker(message);
    if (asked?.kind === 'chord:stop') listener();
    if (asked?.kind === 'chord:ask') tell({ kind: 'chord:alive' });
  });
  tell({ kind: 'chord:alive' });
}

function tell(message: ToPrimary): void {
  process.send?.(message);
}
