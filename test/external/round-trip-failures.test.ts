/** Storages that fail: what clients are told, what becomes of the context, and that no secret is in any of it. */
import { channel } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { stopApps } from '../support/app.ts';
import { installTimeoutMs } from '../support/programs.ts';
import { S3Server } from '../support/s3-server/s3-server.ts';
import { nextEvent } from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { Receiver, stopReceivers } from './receiver.ts';
import { Stage, ttlMs } from './stage.ts';
import {
  echo,
  openBlockedDirectory,
  openBucket,
  openWebService,
  type Storage,
  stubCredentials,
  webhooksAt,
} from './storages.ts';

const stateWord = 'st4te-w0rd';
const state = `{"text":"${stateWord}"}`;

let s3Server: S3Server;

beforeAll(async () => {
  s3Server = await S3Server.start();
  return () => s3Server.stop();
}, installTimeoutMs);
beforeEach(() => stubCredentials());
afterAll(() => vi.unstubAllEnvs());
afterEach(async () => {
  await stopApps();
  await stopReceivers();
});

/** A server that has the context "c", and somebody who follows it. */
async function openFollowed(storage: Pick<Storage, 'secrets' | 'options'>, options: Parameters<typeof Stage.open>[1]) {
  const stage = await Stage.open(storage, options);
  const created = await stage.set('c', state);
  const follower = stage.follow('c');
  expect(await nextEvent(follower)).toMatchObject({ __typename: 'FullContext' });
  return { stage, follower, created };
}

type Followed = Awaited<ReturnType<typeof openFollowed>>;

/** The member that a client is told. */
function failed(name: Storage['name'], role: 'exporter' | 'provider', problem = 'failed.') {
  return { __typename: 'ExternalStorageError', message: `The ${role} "${name}" ${problem}` };
}

/** Nothing has happened to the context, and nothing was said of it. */
async function expectUntouched({ stage, follower, created }: Followed): Promise<void> {
  const { epoch, version } = created;
  expect(await stage.get('c')).toMatchObject({ epoch, version, state: { text: stateWord } });
  expect(follower.results.unread).toBe(0);
  expectDiscreet(stage);
}

function expectDiscreet({ storage, words, wordsOfFailure }: Stage): void {
  for (const secret of storage.secrets) expect(words.filter((line) => line.includes(secret))).toEqual([]);
  expect(wordsOfFailure.filter((line) => line.includes(stateWord))).toEqual([]);
}

/** The warnings, each by what it says of the cause. */
function warnings(stage: Stage): string {
  return stage.log.filter((line) => line.includes('"level":"warn"')).join('');
}

/** Every way to reach a storage that fails is told as it is; the log has the reasons. */
async function expectFailing(followed: Followed, name: Storage['name']): Promise<void> {
  const { stage } = followed;
  expect(await stage.write('exportContext', { id: 'c' })).toEqual(failed(name, 'exporter'));
  expect(await stage.write('restoreContext', { id: 'c' })).toEqual(failed(name, 'provider'));
  expect(await stage.write('restoreContext', { id: 'other' })).toEqual(failed(name, 'provider'));
  const { data, errors } = await stage.ask('context', { id: 'other' });
  expect(data).toEqual({ context: null });
  expect(errors?.[0]?.extensions).toEqual({ code: 'BACKEND_UNAVAILABLE', outcome: 'NOT_STORED' });
  await expectUntouched(followed);
}

/** Cleanup keeps the context until the storage works again. */
async function expectKeptUntilMended(followed: Followed, mend: () => unknown): Promise<void> {
  const { stage, follower, created } = followed;
  await stage.clock.advance(ttlMs);
  const kept = { contextsExpired: 0, exportsFailed: 1, remaining: false };
  expect(await stage.runCleanup()).toMatchObject(kept);
  expect(await stage.cleanup()).toMatchObject({ failingExports: 1, failedRuns: 0, lastReport: { exportsFailed: 1 } });
  await expectUntouched(followed);

  await mend();
  expect(await stage.runCleanup()).toMatchObject({ contextsExpired: 0, exportsFailed: 0, remaining: false });
  expect(await stage.cleanup()).toMatchObject({ failingExports: 1 });
  await stage.clock.advance(exportRetryMs);
  expect(await stage.runCleanup()).toMatchObject({ contextsExpired: 1, exportsFailed: 0, remaining: false });
  expect(await stage.cleanup()).toMatchObject({ failingExports: 0 });
  const { epoch, version } = created;
  expect(await nextEvent(follower)).toMatchObject({ __typename: 'ContextGone', cause: 'EXPIRED', epoch, version });
  const restored = await stage.write('restoreContext', { id: 'c' });
  expect(restored).toMatchObject({ version: version + 1, context: { state: { text: stateWord } } });
  expect(await nextEvent(follower)).toMatchObject({ __typename: 'FullContext', version: version + 1 });
  expectDiscreet(stage);
}

const exportRetryMs = 5_000;
const everything = { exportBeforeExpire: true, restoreOnMiss: true, exportRetryMs };

describe('file: a directory that cannot be made', () => {
  test('is told as ExternalStorageError, by its code in the log', async () => {
    const followed = await openFollowed(await openBlockedDirectory(), everything);
    await expectFailing(followed, 'file');
    expect(warnings(followed.stage)).toMatch(/Cannot export to [^"]*\/taken\/exports: ENOTDIR\./);
    expect(warnings(followed.stage)).toMatch(/Cannot read [^"]*\/taken\/exports\/c-[0-9a-f]{64}\.json: ENOTDIR\./);
    expect(followed.stage.replies.join()).not.toContain('taken');
  });

  test('keeps what expires until it can', async () => {
    const storage = await openBlockedDirectory();
    await expectKeptUntilMended(await openFollowed(storage, everything), storage.mend);
    expect(await storage.read('c')).toContain(stateWord);
  });
});

describe('webhook', () => {
  test('a 500 is nothing: the attempt after it succeeds', async () => {
    const service = await openWebService();
    service.answerBy = (...given) => {
      service.answerBy = undefined;
      echo(500)(...given);
    };
    const followed = await openFollowed(service, everything);
    expect(await followed.stage.write('exportContext', { id: 'c' })).toMatchObject({ exporter: 'webhook' });
    expect(service.receiver.received.all).toHaveLength(2);
    expect(await service.read('c')).toContain(stateWord);
    expect(warnings(followed.stage)).toBe('');
    await expectUntouched(followed);
  });

  test.each([400, 401, 403, 404, 302])('a %i is a refusal, and asked for once', async (status) => {
    const service = await openWebService();
    service.answerBy = echo(status);
    const followed = await openFollowed(service, everything);
    expect(await followed.stage.write('exportContext', { id: 'c' })).toEqual(failed('webhook', 'exporter'));
    expect(service.receiver.received.all).toHaveLength(1);
    expect(warnings(followed.stage)).toContain(`${service.receiver.origin} answered ${status}`);
    await expectUntouched(followed);
  });

  test('a 400 is told in every answer, and what expires is kept until the service takes it', async () => {
    const service = await openWebService();
    service.answerBy = echo(400);
    const followed = await openFollowed(service, everything);
    await expectFailing(followed, 'webhook');
    expect(warnings(followed.stage)).toContain(`${service.receiver.origin} answered 400.`);
    await expectKeptUntilMended(followed, () => {
      service.answerBy = undefined;
    });
  });

  test('a 404 to a fetch is a context that is not there', async () => {
    const service = await openWebService();
    service.answerBy = echo(404);
    const followed = await openFollowed(service, everything);
    const { __typename } = await followed.stage.write('restoreContext', { id: 'c' });
    expect(__typename).toBe('ContextNotFoundError');
    expect(await followed.stage.get('other')).toBeNull();
    expect(warnings(followed.stage)).toBe('');
    await expectUntouched(followed);
  });

  test.each([
    ['no JSON', '{"state":{"text":"st4te-w0rd'],
    ['no object', '["st4te-w0rd"]'],
    ['another context', '{"id":"d","state":{"text":"st4te-w0rd"},"version":1}'],
    ['another format', '{"format":"chord.context/2","state":{"text":"st4te-w0rd"},"version":1}'],
    ['no version', '{"state":{"text":"st4te-w0rd"}}'],
    ['a version with a fraction', '{"state":{"text":"st4te-w0rd"},"version":1.5}'],
  ])('a fetch that brings %s stores nothing', async (_, body) => {
    const service = await openWebService();
    service.answerBy = (response) => response.end(body);
    const followed = await openFollowed(service, everything);
    const { __typename } = await followed.stage.write('restoreContext', { id: 'c' });
    expect(__typename).toBe('ExternalStorageError');
    expect((await followed.stage.ask('context', { id: 'other' })).errors).toHaveLength(1);
    await expectUntouched(followed);
  });

  test('a service that does not answer is given up when the time is over, and its sockets with it', async () => {
    const service = await openWebService();
    service.answerBy = () => undefined;
    const followed = await openFollowed(service, { ...everything, externalTimeoutMs: 50 });
    const problem = 'did not finish within 50 ms.';
    for (const [field, role] of [
      ['exportContext', 'exporter'],
      ['restoreContext', 'provider'],
    ] as const) {
      const asked = followed.stage.write(field, { id: 'c' });
      await service.receiver.received.next();
      await followed.stage.clock.advance(50);
      expect(await asked).toEqual(failed('webhook', role, problem));
      await until('the socket is let go', () => service.receiver.openAnswers === 0);
    }
    await expectUntouched(followed);
  });

  test('neither does one hold up cleanup for longer, nor lose what expires', async () => {
    const service = await openWebService();
    service.answerBy = () => undefined;
    const followed = await openFollowed(service, { ...everything, externalTimeoutMs: 50 });
    await followed.stage.clock.advance(ttlMs);
    const report = followed.stage.runCleanup();
    await service.receiver.received.next();
    await followed.stage.clock.advance(50);
    expect(await report).toMatchObject({ contextsExpired: 0, exportsFailed: 1 });
    await expectUntouched(followed);
    service.answerBy = undefined;
    await followed.stage.clock.advance(exportRetryMs);
    expect(await followed.stage.runCleanup()).toMatchObject({ contextsExpired: 1, exportsFailed: 0 });
  });

  test('a connection that is refused is attempted again until the time is over', async () => {
    const { origin } = await Receiver.start((response) => response.end());
    await stopReceivers();
    const followed = await openFollowed(webhooksAt(origin), { ...everything, externalTimeoutMs: 50 });
    let refused = 0;
    const onRefused = () => refused++;
    const refusals = channel('undici:client:connectError');
    refusals.subscribe(onRefused);
    const exported = followed.stage.write('exportContext', { id: 'c' });
    await until('two attempts were refused', () => refused >= 2);
    await followed.stage.clock.advance(50);
    refusals.unsubscribe(onRefused);
    expect(await exported).toEqual(failed('webhook', 'exporter', 'did not finish within 50 ms.'));
    expect(warnings(followed.stage)).toContain(`${origin} cannot be reached: ECONNREFUSED. Given up at attempt `);
    await expectUntouched(followed);
  });
});

describe('s3', () => {
  /** Words that nothing else has. */
  const unknown = { accessKeyId: 'AK1A-UNKN0WN', secretAccessKey: 's3cret-of-s3' };
  const wrong = { accessKeyId: 'S3RVER', secretAccessKey: 's3cret-of-s3' };

  test.each([
    ['nobody knows', unknown, /InvalidAccessKeyId \(403\)/],
    ['do not fit', wrong, /SignatureDoesNotMatch \(403\)/],
  ])('credentials that %s are refused, and shown to nobody', async (_, credentials, reason) => {
    stubCredentials(credentials);
    const secrets = [credentials.secretAccessKey, 'AK1A-UNKN0WN'];
    const followed = await openFollowed({ ...openBucket(s3Server), secrets }, everything);
    await expectFailing(followed, 's3');
    expect(warnings(followed.stage)).toMatch(reason);
  });

  test('an answer that repeats what was sent is shown to nobody', async () => {
    stubCredentials(unknown);
    const { accessKeyId, secretAccessKey } = unknown;
    const receiver = await Receiver.start((response, { headers, body }) =>
      response
        .writeHead(403, { 'content-type': 'application/xml' })
        .end(`<Error><Code>AccessDenied</Code><Message>${headers.authorization} ${body}</Message></Error>`),
    );
    const secrets = [accessKeyId, secretAccessKey];
    const followed = await openFollowed({ ...openBucket({ url: receiver.origin }), secrets }, everything);
    await expectFailing(followed, 's3');
    expect(warnings(followed.stage)).toContain('PutObject on the bucket contexts failed');
  });

  test('a bucket that is missing is told in every answer', async () => {
    const followed = await openFollowed(openBucket(s3Server, 'never-made'), everything);
    await expectFailing(followed, 's3');
    for (const operation of ['PutObject', 'GetObject']) {
      const reason = `${operation} on the bucket never-made failed: NoSuchBucket (404).`;
      expect(warnings(followed.stage)).toContain(reason);
    }
  });

  test('what expires is kept until the bucket is made', async () => {
    const storage = openBucket(s3Server, 'made-later');
    await expectKeptUntilMended(await openFollowed(storage, everything), () => storage.create());
    expect(await storage.read('c')).toContain(stateWord);
  });

  test('a server that has stopped is told in every answer, and loses nothing that expires', async () => {
    const own = await S3Server.start();
    const followed = await openFollowed(openBucket(own), everything);
    expect(await followed.stage.write('exportContext', { id: 'c' })).toMatchObject({ exporter: 's3' });
    await own.stop();
    await expectFailing(followed, 's3');
    expect(warnings(followed.stage)).toContain('ECONNREFUSED');
    await followed.stage.clock.advance(ttlMs);
    expect(await followed.stage.runCleanup()).toMatchObject({ contextsExpired: 0, exportsFailed: 1 });
    expect(await followed.stage.cleanup()).toMatchObject({ failingExports: 1 });
    await expectUntouched(followed);
  });
});
