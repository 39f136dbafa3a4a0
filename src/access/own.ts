/** The function `authenticate` of the configuration file. */
import { z } from 'zod';
import { type Clock, lastMomentMs } from '../clock.ts';
import { BackendUnavailableError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import { isViewerId } from './api-key-file.ts';
import type { Authenticate, Credentials } from './credentials.ts';
import { parseGrants } from './grants.ts';
import { invalid, unknowable } from './refusals.ts';
import { createViewer, type Viewer, type ViewerDescription } from './viewer.ts';

/**
 * A function of the user's that says who asks; null: nobody who is let in. What it throws is logged, and the client is
 * not let in, unless that is a BackendUnavailableError: then the client may try again.
 */
export type OwnAuthenticate = (
  credentials: Credentials,
) => ViewerDescription | null | Promise<ViewerDescription | null>;

/** How long a function of the user's may take, in ms. */
const ownTimeoutMs = 10_000;

const description = z.object({
  id: z.custom(isViewerId),
  grants: z.custom((value) => value === undefined || parseGrants(value) !== undefined).optional(),
  may: z.custom((value) => value === undefined || typeof value === 'function').optional(),
  expiresAtMs: z.number().min(0).max(lastMomentMs).nullish(),
  issuedAtMs: z.number().min(0).max(lastMomentMs).nullish(),
});

/** Asks the function, in bounded time, and believes no answer before it is checked. */
export function askOwn(
  own: OwnAuthenticate,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Authenticate {
  return async (credentials) => {
    const answer = await withinTime(async () => own(credentials), clock).catch((error: unknown) => {
      if (error instanceof BackendUnavailableError) {
        logger.warn('authenticate of the configuration file cannot tell now', { error });
        throw unknowable(error);
      }
      logger.error('authenticate of the configuration file failed', { error });
      throw invalid();
    });
    if (answer === null) throw invalid();
    return viewerOf(answer, logger);
  };
}

function viewerOf(answer: ViewerDescription, logger: Logger): Viewer {
  const { error } = description.safeParse(answer);
  if (error === undefined) return createViewer(answer);
  const where = error.issues.map(({ path }) => path.join('.') || 'the answer').join(', ');
  logger.error('authenticate of the configuration file answered what is no viewer', { wrong: where });
  throw invalid();
}

async function withinTime<T>(work: () => Promise<T>, clock: Clock): Promise<T> {
  const isDone = new AbortController();
  const late = clock.sleep(ownTimeoutMs, isDone.signal).then((): never => {
    throw unknowable(new Error(`authenticate of the configuration file took more than ${ownTimeoutMs} ms`));
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    isDone.abort();
  }
}
