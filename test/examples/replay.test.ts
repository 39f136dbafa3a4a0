import { expect, test } from 'vitest';
import { follow, GapError } from '../../examples/replay/follower.ts';
import { main } from '../../examples/replay/main.ts';
import { WriteRecord } from '../../examples/replay/record.ts';
import { replay } from '../../examples/replay/replay.ts';
import { dueAnswer, type Situation } from '../../examples/replay/verdict.ts';
import { createApp } from '../../src/app/app.ts';
import type { Announcement, Backend, View } from '../../src/backend/backend.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import type { JsonObject } from '../../src/delta/json.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import { histories } from '../fixtures/histories.ts';

/** How many deltas the servers of these tests keep. */
const kept = 25;

test('the replay of our own histories ends well over every transport', async () => {
  const { exitCode, lines } = await run(['--clients', '9', '--seed', '3']);
  expect(lines.filter((line) => line.startsWith('FAILED'))).toEqual([]);
  expect(exitCode).toBe(0);
  expect(lines.filter((line) => line.includes('state = document of version'))).toHaveLength(9);
});

test('a server that always answers FULL fails the replay', async () => {
  const failures = await failuresOn({ read: (view) => withoutDeltas(view) });
  expect(failures).toMatch(/FULL TOO_OLD without its cause: .* due was DELTA/);
});

test('a failed replay ends with exit code 1', async () => {
  const app = appWith({ read: (view) => withoutDeltas(view) });
  const { url } = await app.start();
  try {
    const { exitCode, text } = await run(['--url', url, '--threshold', String(kept), '--clients', '6', '--seed', '3']);
    expect(text).toMatch(/\nFAILED #0\d .*FULL TOO_OLD without its cause/);
    expect(exitCode).toBe(1);
  } finally {
    await app.stop();
  }
});

test('a server that loses a change fails the replay', async () => {
  const failures = await failuresOn({
    hear: (announcement) => (versionOf(announcement) === 40 ? withoutChanges(announcement) : announcement),
  });
  expect(failures).toMatch(/a wrong state at \S+:40: it differs from the document at \[/);
});

test('a server that drops a delta, and says that it did not, fails the replay', async () => {
  const failures = await failuresOn({
    hear: (announcement) => {
      if (versionOf(announcement) === 39) return undefined;
      return versionOf(announcement) === 40 ? startingAt(38, announcement) : announcement;
    },
  });
  expect(failures).toMatch(/a wrong state at \S+:40|a gap: the copy is at \S+:38/);
});

test('a server that falls silent fails the replay', async () => {
  const failures = await failuresOn({
    hear: (announcement) => ((versionOf(announcement) ?? 0) > 40 ? undefined : announcement),
  });
  expect(failures).toMatch(/still at \S+:\d+ after 1000 ms, and version 122 was written last/);
});

test('a refused write fails the replay, and is told once', async () => {
  const failures = await failuresOn({ maxStateBytes: 600 });
  expect(failures).toMatch(/^writer of order: setContext answered .*LimitExceededError[^\n]*$/);
});

test('the order of keys makes no version', async () => {
  const revisions: JsonObject[] = [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { a: 2, b: 2 },
  ];
  expect(await failuresOn({ revisions })).toBe('');
});

test('a delta that does not start where the copy is is a gap', () => {
  const delta = { __typename: 'Delta', contextId: 'c', epoch: 'e', insertedAt: '', origin: null, changes: [] } as const;
  const copy = { epoch: 'e', version: 3, state: {} };
  const from = (fromVersion: number) => ({ ...delta, changes: [], fromVersion, version: fromVersion + 1 });
  expect(follow(copy, from(3))).toEqual({ epoch: 'e', version: 4, state: {} });
  expect(() => follow(copy, from(4))).toThrow(GapError);
  expect(() => follow(copy, from(2))).toThrow(GapError);
  expect(() => follow(copy, { ...from(3), epoch: 'another' })).toThrow(GapError);
  expect(() => follow(undefined, from(3))).toThrow(GapError);
});

test('each reason for a full context has its cause, and only that', () => {
  const record = new WriteRecord();
  // Versions 1 to 3, then a new life: 4 and 5.
  const documents: JsonObject[] = [{ a: 1, ...wide(0) }, { a: 2, ...wide(0) }, wide(50), { a: 4 }, { a: 5 }];
  for (const [index, document] of documents.entries()) {
    if (index === 3) record.sendingDelete();
    record.sendingDocument(document);
    record.acknowledge({ epoch: index < 3 ? 'e' : 'f', version: index + 1 });
  }
  const due = (known: Situation['known'], version: number, { isLive = false, threshold = 9 } = {}) =>
    dueAnswer({ known, isLive }, { epoch: version < 4 ? 'e' : 'f', version }, { record, threshold });

  expect(due({ kind: 'nothing' }, 2)).toBe('NO_POSITION');
  expect(due(at(3), 4)).toBe('EPOCH_CHANGED');
  expect(due({ ...at(3), kind: 'gone' }, 4, { isLive: true })).toBe('EPOCH_CHANGED');
  expect(due(at(2), 2)).toBe('NO_CHANGE');
  expect(due(at(1), 2)).toBe('DELTA');
  expect(due(at(1), 3)).toBe('SMALLER');
  expect(due(at(2), 3)).toBe('SMALLER');
  expect(due(at(2), 3, { isLive: true })).toBe('DELTA');
  expect(due(at(1), 3, { isLive: true })).toBe('SMALLER');
  expect(due(at(1), 3, { threshold: 1 })).toBe('TOO_OLD');
  expect(due(at(4, 'f'), 5)).toBe('DELTA');
});

test('flags that make no sense are named', async () => {
  expect(await run(['--clients', 'many'])).toMatchObject({ exitCode: 2, text: expect.stringContaining('--clients') });
  expect(await run(['--url', 'http://localhost:1'])).toMatchObject({
    exitCode: 2,
    text: expect.stringContaining('--threshold'),
  });
  expect(await run(['--nonsense'])).toMatchObject({ exitCode: 2, text: expect.stringContaining('--nonsense') });
});

test('the help names every flag', async () => {
  const { exitCode, text } = await run(['--help']);
  for (const flag of ['clients', 'seed', 'histories', 'url', 'threshold', 'delete', 'pause', 'patience']) {
    expect(text).toContain(`--${flag} `);
  }
  expect(exitCode).toBe(0);
});

/** A position that a client sends. */
function at(version: number, epoch = 'e') {
  return { kind: 'position', epoch, version } as const;
}

/** A document with nine keys of its own. */
function wide(from: number): JsonObject {
  return Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`key ${from + index}`, 1]));
}

interface Run {
  readonly exitCode: number;
  readonly lines: readonly string[];
  readonly text: string;
}

async function run(args: readonly string[]): Promise<Run> {
  const lines: string[] = [];
  const exitCode = await main(args, (line) => lines.push(line));
  return { exitCode, lines, text: lines.join('\n') };
}

interface Lies {
  readonly read?: (view: View) => View;
  /** Undefined: the announcement is lost. */
  readonly hear?: (announcement: Announcement) => Announcement | undefined;
}

interface Trial extends Lies {
  readonly maxStateBytes?: number;
  readonly revisions?: readonly JsonObject[];
}

/** What a few clients complain of on a server whose store tells it wrong things. */
async function failuresOn({ revisions, ...trial }: Trial): Promise<string> {
  const app = appWith(trial);
  const { url } = await app.start();
  try {
    const order = histories.filter(({ name }) => name === 'order');
    const plan = {
      clients: 6,
      seed: 3,
      threshold: kept,
      deleteProbability: 0,
      pauseMs: 0,
      patienceMs: 1_000,
      runId: 'test',
    };
    const report = await replay({
      ...plan,
      url,
      histories: revisions === undefined ? order : [{ name: 'given', revisions }],
    });
    return report.failures.join('\n');
  } finally {
    await app.stop();
  }
}

function appWith({ maxStateBytes, ...lies }: Omit<Trial, 'revisions'>) {
  const backend = lyingBackend(lies);
  return createApp({
    port: 0,
    logger: silentLogger,
    deltaThreshold: kept,
    maxStateBytes,
    backend,
    drainTimeoutMs: 0,
  });
}

function lyingBackend({ read = (view) => view, hear = (announcement) => announcement }: Lies): Backend {
  const backend = new MemoryBackend();
  const lies: Pick<Backend, 'read' | 'watch'> = {
    read: async (id, options) => read(await backend.read(id, { ...options, withState: true })),
    watch: (id, listener) =>
      backend.watch(id, (announcement) => {
        const heard = hear(announcement);
        if (heard !== undefined) listener(heard);
      }),
  };
  return new Proxy<Backend>(backend, {
    get: (target, name: keyof Backend) => {
      const member = name in lies ? Reflect.get(lies, name) : Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function withoutDeltas(view: View): View {
  return view.kind === 'context' ? { ...view, deltas: undefined } : view;
}

function versionOf(announcement: Announcement): number | undefined {
  return announcement.kind === 'changed' ? announcement.delta.version : undefined;
}

function withoutChanges(announcement: Announcement): Announcement {
  if (announcement.kind !== 'changed') return announcement;
  return { ...announcement, delta: { ...announcement.delta, changes: [] } };
}

function startingAt(fromVersion: number, announcement: Announcement): Announcement {
  return announcement.kind === 'changed'
    ? { ...announcement, delta: { ...announcement.delta, fromVersion } }
    : announcement;
}
