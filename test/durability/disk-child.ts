/* A store in a process of its own, whose disk its parent breaks and mends. See disk-process.ts. */
import { LmdbBackend } from '../../src/backend/lmdb/lmdb.ts';
import { createChord } from '../../src/chord.ts';
import { BackendUnavailableError, ChordError } from '../../src/errors.ts';
import type { ContextEvent } from '../../src/model.ts';
import type { Answer, Command, DiskOptions, DiskWrite, Look, Reports } from './disk-process.ts';

// The parent is ours.
const { path, cacheBytes, writeTimeoutMs } = JSON.parse(process.argv[2] ?? '{}') as DiskOptions;
const backend = LmdbBackend.open({ path, cacheBytes, writeTimeoutMs });
const chord = createChord({ backend, deltaThreshold: 40, recheckMs: 1_000 });

/** What nobody handled. */
const problems: string[] = [];
process.on('unhandledRejection', (reason) => problems.push(`unhandled: ${String(reason)}`));
process.on('uncaughtException', (error) => problems.push(`uncaught: ${error.stack}`));

const events = new Map<string, ContextEvent[]>();

process.on('message', (message) => {
  const { id, command } = message as { readonly id: number; readonly command: Command };
  run(command).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.stack : String(error) }),
  );
});
process.send?.({ kind: 'started' });

async function run(command: Command): Promise<Reports[Command['kind']]> {
  switch (command.kind) {
    case 'write':
      return Promise.all(command.writes.map(write));
    case 'look':
      return look(command.ids, command.since);
    case 'follow': {
      const heard: ContextEvent[] = [];
      events.set(command.contextId, heard);
      // It ends with the process.
      follow(command.contextId, heard).catch((error: unknown) => problems.push(`follow: ${String(error)}`));
      return undefined;
    }
    case 'events':
      return events.get(command.contextId) ?? [];
    case 'problems':
      return problems;
    case 'ping':
      return answerOf(chord.ping().then(() => undefined));
    case 'close':
      return answerOf(chord.close().then(() => undefined));
  }
}

async function follow(id: string, heard: ContextEvent[]): Promise<void> {
  for await (const event of chord.follow(id)) heard.push(event);
}

function write({ verb, id, value = {}, key: idempotencyKey, ttlMs }: DiskWrite): Promise<Answer> {
  switch (verb) {
    case 'set':
      return answerOf(chord.setContext(id, value, { idempotencyKey, ttlMs }));
    case 'update':
      return answerOf(chord.updateContext(id, value, { idempotencyKey, ttlMs }));
    case 'delete':
      return answerOf(chord.deleteContext(id, { idempotencyKey }));
    case 'expire':
      return answerOf(backend.expire(id, Number.MAX_SAFE_INTEGER));
  }
}

async function answerOf(
  promise: Promise<{ readonly epoch: string; readonly version: number; readonly duplicate?: boolean } | undefined>,
): Promise<Answer> {
  try {
    const { epoch = '', version = 0, duplicate = false } = (await promise) ?? {};
    return { kind: 'done', epoch, version, duplicate };
  } catch (error) {
    if (!(error instanceof ChordError)) throw error;
    const outcome = error instanceof BackendUnavailableError ? error.outcome : undefined;
    return { kind: 'refused', code: error.code, outcome, message: error.message };
  }
}

/** Everything that readers are shown. */
async function look(
  ids: readonly string[],
  since: Readonly<Record<string, { epoch: string; version: number }>>,
): Promise<Look> {
  const contexts = await Promise.all(ids.map((id) => chord.getContext(id)));
  const syncs = await Promise.all(ids.map((id) => chord.syncContext(id, since[id])));
  const heads = await backend.heads(ids);
  const deltas = await Promise.all(ids.map((id) => backend.deltas(id, { limit: 1_000 })));
  const listed = await chord.listContexts({ limit: 250 });
  const due = await Promise.all(
    (['context', 'deltas', 'tombstone'] as const).map((kind) =>
      backend.due(kind, Number.MAX_SAFE_INTEGER, { limit: 1_000 }),
    ),
  );
  return {
    contexts: Object.fromEntries(ids.map((id, at) => [id, contexts[at] ?? null])),
    rest: {
      syncs,
      heads,
      deltas,
      listed: listed.nodes.map(({ id, version }) => ({ id, version })),
      due,
      count: await backend.count({}),
    },
  };
}
