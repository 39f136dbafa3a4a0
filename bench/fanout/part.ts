import type { Options } from '../load/options.ts';
import type { Contestant } from '../load/server.ts';

/** Measures something of all servers, and answers a table. */
export type Part = (options: Options, servers: readonly Contestant[]) => Promise<string>;
