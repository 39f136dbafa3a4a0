/* Histories of documents, written while the server on its data directory ends and comes back, and followed. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type TransportName, transports } from '../../examples/replay/transports.ts';
import { equal } from '../../src/delta/json.ts';
import type { History } from '../fixtures/histories.ts';
import { startApp, stopApp, stopApps } from '../support/app.ts';
import { builtCopy } from '../support/built.ts';
import { Command, stopCommands } from '../support/command.ts';
import { loadHistories } from '../support/histories.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { until } from '../support/wait.ts';
import { HistoryReader, HistoryWriter, Place } from './restart-readers.ts';

const histories = loadHistories();
const transportNames = Object.keys(transports) as readonly TransportName[];
const deltaThreshold = 10_000;

/** A server of one life. */
interface Life {
  readonly url: string;
  end(): Promise<void>;
}

let home: string;
beforeAll(async () => {
  home = await builtCopy();
});
afterEach(async () => {
  await stopApps();
  await stopCommands();
});
afterAll(() => rmSync(home, { recursive: true }));

async function startInProcess(dataDir: string, port: number): Promise<Life> {
  const { app, url } = await startApp({ backend: 'lmdb', dataDir, port, deltaThreshold });
  return { url, end: () => stopApp(app) };
}

async function startCommand(dataDir: string, port: number): Promise<Life> {
  const flags = ['--port', String(port), '--data-dir', dataDir, '--delta-threshold', String(deltaThreshold)];
  const command = new Command(process.execPath, [join(home, 'dist/main.js'), ...flags], { cwd: home });
  const end = async () => {
    command.kill('SIGKILL');
    expect(await command.exit).toBe('SIGKILL');
  };
  return { url: await command.endpoint(), end };
}

test.each([
  { how: 'stopped in peace, twice', restarts: 2, start: startInProcess },
  { how: 'killed, once', restarts: 1, start: startCommand },
])(
  'while the server is $how, every client goes on from its position',
  async ({ restarts, start }) => {
    const dataDir = temporaryDirectory();
    const place = new Place();
    let life = await start(dataDir, 0);
    place.url = life.url;
    const writers = histories.map((history) => new HistoryWriter(history, place));
    await Promise.all(writers.map((writer) => writer.writeFirst()));
    const readers = writers.flatMap((writer) =>
      transportNames.map((transport) => new HistoryReader(writer, transport, place)),
    );
    await until('everybody has the first version', () => readers.every(({ isThere }) => isThere));

    const total = histories.reduce((sum, { revisions }) => sum + revisions.length, 0);
    const written = () => writers.reduce((sum, writer) => sum + writer.written, 0);
    const writing = Promise.all(writers.map((writer) => writer.writeOthers()));
    const isWritten = writing.then(() => true);
    for (let restart = 1; restart <= restarts; restart++) {
      await Promise.race([
        isWritten,
        until('a part is written', () => written() > (total * restart) / (restarts + 1), 60_000),
      ]);
      expect(written()).toBeLessThan(total);
      await place.without(async () => {
        await life.end();
        life = await start(dataDir, Number(new URL(place.url).port));
      });
    }
    await writing;
    await until('everybody has the last version', () => readers.every(({ isThere }) => isThere));
    for (const reader of readers) reader.leave();

    expect(readers.flatMap(({ problems }) => problems)).toEqual([]);
    const reasons = readers.flatMap(({ seen }) =>
      Object.keys(seen).filter((kind) => !/^(Delta|NoChange|FULL SMALLER)$/.test(kind)),
    );
    expect(reasons).toEqual(readers.map(() => 'FULL NO_POSITION'));
    expect(readers.map(({ seen }) => seen['FULL NO_POSITION'])).toEqual(readers.map(() => 1));
    expect(writers.map(({ version }) => version)).toEqual(histories.map(versionsOf));
  },
  120_000,
);

/** How many versions a history makes: the order of keys is no part of a state. */
function versionsOf({ revisions }: History): number {
  return revisions.filter((revision, index) => index === 0 || !equal(revision, revisions[index - 1] ?? {})).length;
}
