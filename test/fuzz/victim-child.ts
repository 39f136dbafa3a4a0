/*
 * The server that is fuzzed, in a process of its own: what it logs, holds and has open is told to its parent, which is
 * victim.ts. It logs as operators have it, as JSON at level debug.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type AppOptions, createApp } from '../../src/app/app.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { Look, Looked, LookRequest } from './victim.ts';

/** Errors are kept, as far as a person would read them; the rest is only counted, since the heap is measured. */
const maxErrors = 50;
const errors: string[] = [];
const warnings = new Map<string, number>();
let lines = 0;

function take(line: string): void {
  lines++;
  // Pino made it.
  const { level, message } = JSON.parse(line) as { readonly level: string; readonly message: string };
  if ((level === 'error' || level === 'fatal') && errors.length < maxErrors) errors.push(line);
  if (level === 'warn') warnings.set(message, (warnings.get(message) ?? 0) + 1);
}

// A parent that is gone cannot stop it.
process.once('disconnect', () => process.exit(1));

const given = JSON.parse(process.argv[2] ?? '{}') as AppOptions;
const logger = createLogger({ level: 'debug', format: 'json', stream: { write: take } });
const app = createApp({ port: 0, backend: 'memory', drainTimeoutMs: 500, ...given, logger });
const { url } = await app.start();
process.send?.({ kind: 'started', url });

process.on('message', (message) => {
  // The parent is ours.
  const { id, thorough } = message as LookRequest;
  look(thorough).then(
    (value) => process.send?.({ kind: 'looked', id, value } satisfies Looked),
    (error: unknown) => process.send?.({ kind: 'looked', id, error: String(error) } satisfies Looked),
  );
});

/** What the fuzzers stored is theirs: what is left without it is what the server itself holds. */
async function sweep(): Promise<void> {
  for (;;) {
    const { nodes } = await app.chord.listContexts({ limit: 250 });
    if (nodes.length === 0) break;
    for (const { id } of nodes) await app.chord.deleteContext(id);
  }
  while ((await app.chord.runCleanup()).remaining);
}

async function look(thorough: boolean): Promise<Look> {
  if (thorough) await sweep();
  // With pauses for what is freed by callbacks.
  const turns = thorough ? 5 : 0;
  for (let turn = 0; turn < turns; turn++) {
    globalThis.gc?.();
    await wait(20);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return { heapUsed, total: heapUsed + external, rss, resources, stats: app.stats(), errors, warnings, lines };
}
