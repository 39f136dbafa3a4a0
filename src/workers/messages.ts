/** What a worker and its primary tell each other. Beside it only connections and figures go between them. */
import { z } from 'zod';

const toPrimary = z.discriminatedUnion('kind', [
  /** The worker serves. */
  z.object({ kind: z.literal('chord:started'), url: z.string(), isReady: z.boolean() }),
  /** It hears what it is asked, and does not hang. */
  z.object({ kind: z.literal('chord:alive') }),
]);

const toWorker = z.discriminatedUnion('kind', [
  /** Stop, as SIGTERM says. */
  z.object({ kind: z.literal('chord:stop') }),
  /** Say that you are alive. */
  z.object({ kind: z.literal('chord:ask') }),
]);

/** From a worker. */
export type ToPrimary = z.output<typeof toPrimary>;
/** From the primary. */
export type ToWorker = z.output<typeof toWorker>;

/** Undefined: it is none of ours. */
export function parseToPrimary(message: unknown): ToPrimary | undefined {
  return toPrimary.safeParse(message).data;
}

/** Undefined: it is none of ours. */
export function parseToWorker(message: unknown): ToWorker | undefined {
  return toWorker.safeParse(message).data;
}
