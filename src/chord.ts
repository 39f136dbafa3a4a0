import { MemoryBackend } from './backend/memory.ts';
import { systemClock } from './clock.ts';
import { completeOptions } from './config/table.ts';
import { flatFormatter } from './delta/format.ts';
import { ChordService, type ServiceOptions } from './service/service.ts';

/** What `createChord` can be told; everything has a default, see docs/operations.md. */
export type ChordOptions = { readonly [Name in keyof ServiceOptions]?: ServiceOptions[Name] | undefined };

/**
 * Chord as a library: every verb, on a backend of your choice (in memory by default).
 *
 * @throws ConfigError for a value that the option does not accept.
 */
export function createChord(options: ChordOptions = {}): ChordService {
  const { backend, clock, deltaFormatter, ...values } = options;
  return new ChordService({
    ...completeOptions(values),
    backend: backend ?? new MemoryBackend(),
    clock: clock ?? systemClock,
    deltaFormatter: deltaFormatter ?? flatFormatter,
  });
}
