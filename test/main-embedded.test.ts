/** The server inside a process of somebody else: its end, whatever became of its start. */
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createApp } from '../src/app/app.ts';
import { RecordingLogger } from './support/app.ts';
import { builtCopy } from './support/built.ts';
import { rejectionOf } from './support/chord.ts';
import { Command, stopCommands } from './support/command.ts';
import { startRedis } from './support/redis/server.ts';
import { soon } from './support/wait.ts';

let home: string;

beforeAll(async () => {
  home = await builtCopy();
  writeFileSync(
    join(home, 'embedding.js'),
    `import { createApp } from './dist/index.js';
     const [redisUrl, port] = process.argv.slice(2);
     const app = createApp({ backend: 'redis', redisUrl, port: Number(port) });
     await app.start().catch((error) => console.log('the start failed: ' + error.code));`,
  );
});
afterEach(stopCommands);
afterAll(() => rmSync(home, { recursive: true }));

describe('a start that fails leaves nothing that keeps the process running', () => {
  test('because of a password', async () => {
    await using server = await startRedis({ password: 'hush' });
    const command = new Command(process.execPath, ['embedding.js', `redis://:wrong@${server.address}`, '0'], {
      cwd: home,
    });
    expect(await soon('the end of the process', command.exit)).toBe(0);
    expect(command.stdout).toBe('the start failed: REDIS_STORE\n');
  });

  test('because of a port', async () => {
    await using server = await startRedis();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const command = new Command(process.execPath, ['embedding.js', server.url, String(port)], { cwd: home });
    expect(await soon('the end of the process', command.exit)).toBe(0);
    expect(command.stdout).toContain('the start failed: EADDRINUSE\n');
    other.close();
  });
});

test('a stop right after the start is no error', async () => {
  await using server = await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] });
  const logger = new RecordingLogger();
  const app = createApp({ backend: 'redis', redisUrl: server.url, port: 0, logger });
  await app.start();
  await app.stop();
  expect(logger.errors).toEqual([]);
});

test('a stop during the start ends it', async () => {
  // Accepts, and never says a word.
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const logger = new RecordingLogger();
  const redisUrl = `redis://127.0.0.1:${port}`;
  const app = createApp({ backend: 'redis', redisUrl, redisTimeoutMs: 60_000, port: 0, logger });
  const started = app.start();
  const failure = rejectionOf(started);
  await once(silent, 'connection');
  await app.stop();
  expect(String(await failure)).toContain('was stopped');
  expect(logger.lines).toEqual([]);
  silent.close();
});
