/*
 * A server in a process of its own, so that its memory is measured alone. Its parent tells it what to do; see
 * server-process.ts.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type AppOptions, createApp } from '../../src/app/app.ts';
import type { Logger } from '../../src/observability/logger.ts';
import { type Command, type Memory, type Reports, secret } from './server-process.ts';

/** Keeps what the tests look for, and no more: the heap is measured. */
const errors: string[] = [];
const leaks: string[] = [];
let lines = 0;
const log =
  (level: string) =>
  (message: string, { error, ...fields }: Record<string, unknown> = {}) => {
    const words = error instanceof Error ? error.stack : JSON.stringify(error);
    const line = `${level} ${message} ${JSON.stringify(fields)} ${words ?? ''}`;
    lines++;
    if (level === 'error') errors.push(line);
    if (line.includes(secret)) leaks.push(line);
  };
const logger: Logger = {
  debug: log('debug'),
  info: log('info'),
  warn: log('warn'),
  error: log('error'),
  child: () => logger,
};

const given = JSON.parse(process.argv[2] ?? '{}') as AppOptions;
const app = createApp({ port: 0, backend: 'memory', logger, drainTimeoutMs: 500, ...given });
const { url } = await app.start();
process.send?.({ kind: 'started', url });
process.on('message', (message) => {
  // The parent is ours.
  const { id, command } = message as { readonly id: number; readonly command: Command };
  run(command).then(
    (value) => process.send?.({ kind: 'done', id, value }),
    (error: unknown) => process.send?.({ kind: 'failed', id, error: String(error) }),
  );
});

async function run(command: Command): Promise<Reports[Command['kind']]> {
  switch (command.kind) {
    case 'stats':
      return app.stats();
    case 'memory':
      return measure();
    case 'logs':
      return { errors, leaks, lines };
    case 'write':
      return write(command);
    case 'stop':
      await app.stop();
      // After the report.
      setImmediate(() => process.disconnect());
      return undefined;
  }
}

/** After collections, with pauses for what is freed by callbacks. */
async function measure(): Promise<Memory> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.();
    await wait(20);
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return { heapUsed, total: heapUsed + external, arrayBuffers, rss };
}

/** One field of so many characters is replaced, so many times; others get their turn in between. */
async function write({ contextId, from, count, bytes }: Extract<Command, { readonly kind: 'write' }>) {
  let slowestMs = 0;
  for (let n = from; n < from + count; n++) {
    const startMs = performance.now();
    await app.chord.updateContext(contextId, { n, text: String(n).padEnd(bytes, 'x') });
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    if (n % 10 === 0) await new Promise(setImmediate);
  }
  const { heapUsed, external } = process.memoryUsage();
  return { slowestMs, total: heapUsed + external };
}
