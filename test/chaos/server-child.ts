/* A Chord server in a process of its own, told by its parent how to run, and gone when its parent is. */
import { type AppOptions, createApp } from '../../src/app/app.ts';
import type { Logger } from '../../src/observability/logger.ts';
import type { Started } from '../support/forked-server.ts';

/** A line of its log that a person should look at. */
export interface ErrorMessage {
  readonly kind: 'error';
  readonly line: string;
}

const tell = (message: Started | ErrorMessage) => process.send?.(message);

const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (text, { error, ...fields } = {}) => {
    const words = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
    tell({ kind: 'error', line: `${text} ${JSON.stringify(fields)} ${words ?? ''}` });
  },
  child: () => logger,
};

// A parent that is gone cannot stop it.
process.once('disconnect', () => process.exit(1));

// Written by server.ts.
const options = JSON.parse(process.argv[2] ?? '{}') as AppOptions;
const app = createApp({ port: 0, graphiql: false, drainTimeoutMs: 500, logger, ...options });
const { url } = await app.start();
tell({ kind: 'started', url });
