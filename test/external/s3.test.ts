import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createExporter, createProvider } from '../../src/external/builtin.ts';
import { fileName } from '../../src/external/names.ts';
import { rejectionOf } from '../support/chord.ts';
import { installTimeoutMs } from '../support/programs.ts';
import { S3Server, s3Credentials } from '../support/s3-server/s3-server.ts';
import { until } from '../support/wait.ts';
import { type Answer, flood, Receiver, stopReceivers } from './receiver.ts';
import { call, defaults, recordOf } from './records.ts';

beforeAll(() => {
  // Where the SDK looks first; nothing of the machine's own.
  vi.stubEnv('AWS_ACCESS_KEY_ID', s3Credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3Credentials.secretAccessKey);
  for (const name of ['AWS_SESSION_TOKEN', 'AWS_PROFILE', 'AWS_REGION', 'AWS_MAX_ATTEMPTS'])
    vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/dev/null');
});
afterAll(() => vi.unstubAllEnvs());
afterEach(stopReceivers);

function bothEnds(
  s3Endpoint: string,
  options: { readonly s3Prefix?: string; readonly s3Bucket?: string; readonly s3PathStyle?: boolean } = {},
) {
  const config = { ...defaults, s3Bucket: 'contexts', s3Region: 'eu-central-1', s3PathStyle: true, s3Endpoint };
  const exporter = createExporter({ ...config, ...options, exporter: 's3' });
  const provider = createProvider({ ...config, ...options, provider: 's3' });
  if (exporter === undefined || provider === undefined) throw new Error('there is none');
  return { exporter, provider };
}

describe('with a server that speaks S3', () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await S3Server.start();
    return () => server.stop();
  }, installTimeoutMs);

  test('what was exported is fetched, whatever the id, the prefix and the keys', async () => {
    const state = JSON.parse('{"__proto__":{"a":1},"\\ud800":[null],"é🙂":{}}');
    for (const s3Prefix of ['', 'chord/', 'ä b+c/']) {
      const { exporter, provider } = bothEnds(server.url, { s3Prefix });
      const ids = ['../x', 'CON', 'a/b', 'a', 'A', '🙂'.repeat(128)];
      for (const [index, id] of ids.entries()) {
        await exporter.exportContext(recordOf({ id, version: index + 1, state }), call());
      }
      for (const [index, id] of ids.entries()) {
        const found = await provider.fetchContext(id, call());
        expect(found?.version).toBe(index + 1);
        expect(JSON.stringify(found?.state)).toBe(JSON.stringify(state));
      }
    }
  });

  test('the export that came last is the one that is there', async () => {
    const { exporter, provider } = bothEnds(server.url);
    for (const version of [1, 2]) await exporter.exportContext(recordOf({ version }), call());
    expect(await provider.fetchContext('call:123', call())).toMatchObject({ version: 2 });
  });

  test('there is nothing under an id that was not exported', async () => {
    const { provider } = bothEnds(server.url, { s3Prefix: 'empty/' });
    expect(await provider.fetchContext('call:123', call())).toBeNull();
  });

  test('a large state comes back', async () => {
    const { exporter, provider } = bothEnds(server.url);
    const state = { text: 'x'.repeat(5_000_000) };
    await exporter.exportContext(recordOf({ state }), call());
    expect((await provider.fetchContext('call:123', call()))?.state).toEqual(state);
  });

  test('a bucket that is missing is an error, not an empty one', async () => {
    const { exporter, provider } = bothEnds(server.url, { s3Bucket: 'other' });
    expect(await rejectionOf(provider.fetchContext('c', call()))).toMatchObject({
      message: 'GetObject on the bucket other failed: NoSuchBucket (404).',
    });
    expect(await rejectionOf(exporter.exportContext(recordOf(), call()))).toMatchObject({
      message: 'PutObject on the bucket other failed: NoSuchBucket (404).',
    });
  });

  test('credentials that are wrong are an error', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
    const { exporter } = bothEnds(server.url);
    const error = await rejectionOf(exporter.exportContext(recordOf(), call()));
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3Credentials.secretAccessKey);
    expect(error).toMatchObject({ message: 'PutObject on the bucket contexts failed: SignatureDoesNotMatch (403).' });
  });
});

async function open(answer: Answer, options: Parameters<typeof bothEnds>[1] = {}) {
  const receiver = await Receiver.start(answer);
  return { receiver, ...bothEnds(receiver.origin, options) };
}

describe('the exchange', () => {
  const name = fileName('call:123');

  test('of an export is one signed PUT of the record, without checksums that others may not know', async () => {
    const { receiver, exporter } = await open((response) => response.end(), { s3Prefix: 'chord/' });
    await exporter.exportContext(recordOf({ state: { text: 'é🙂' } }), call());
    expect(receiver.received.all).toHaveLength(1);
    const [received] = receiver.received.all;
    expect(received?.method).toBe('PUT');
    expect(received?.url).toMatch(`/contexts/chord/${name}`);
    expect(received?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(received?.body ?? '')),
      authorization: expect.stringContaining('/eu-central-1/s3/aws4_request'),
    });
    expect(Object.keys(received?.headers ?? {}).join()).not.toMatch(/checksum|trailer|content-encoding/);
    expect(JSON.parse(received?.body ?? '')).toEqual(recordOf({ state: { text: 'é🙂' } }));
  });

  test('of an export to AWS, which no endpoint is named for, has the checksum that AWS asks for', async () => {
    const receiver = await Receiver.start((response) => response.end());
    vi.stubEnv('AWS_ENDPOINT_URL_S3', receiver.origin);
    const config = { ...defaults, s3Bucket: 'contexts', s3Region: 'eu-central-1', s3PathStyle: true } as const;
    await createExporter({ ...config, exporter: 's3' })?.exportContext(recordOf(), call());
    vi.stubEnv('AWS_ENDPOINT_URL_S3', undefined);
    expect(receiver.received.all).toMatchObject([
      { url: expect.stringMatching(`^/contexts/${name}`), headers: { 'x-amz-checksum-crc32': expect.any(String) } },
    ]);
  });

  test('of a fetch is one signed GET', async () => {
    const { receiver, provider } = await open((response) => response.end(JSON.stringify(recordOf({ version: 7 }))));
    expect(await provider.fetchContext('call:123', call())).toEqual({ state: { status: 'ringing' }, version: 7 });
    expect(receiver.received.all).toMatchObject([{ method: 'GET', url: expect.stringMatching(`/contexts/${name}`) }]);
  });

  test.each([
    [false, 'contexts.storage.invalid'],
    [true, 'storage.invalid'],
  ])('names the bucket in the host unless paths are asked for (%s)', async (s3PathStyle, hostname) => {
    vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
    // No name below "invalid" has an address, so the error says which one was looked for.
    const { exporter } = bothEnds('http://storage.invalid', { s3PathStyle });
    const error = await rejectionOf(exporter.exportContext(recordOf(), call()));
    vi.stubEnv('AWS_MAX_ATTEMPTS', undefined);
    expect(error).toMatchObject({ hostname });
  });

  test.each([
    ['<Error><Code>NoSuchKey</Code></Error>', 'with its name'],
    ['', 'without a body'],
    ['<html>not here</html>', 'with a page'],
  ])('that ends with a 404 has found nothing: %s (%s)', async (body) => {
    const { provider } = await open((response) => response.writeHead(404).end(body));
    expect(await provider.fetchContext('c', call())).toBeNull();
  });

  test('that ends with a 404 is an error when it was an export', async () => {
    const { exporter } = await open((response) => response.writeHead(404).end());
    expect(await rejectionOf(exporter.exportContext(recordOf(), call()))).toMatchObject({
      message: expect.stringMatching(/^PutObject on the bucket contexts failed: .* \(404\)\.$/),
    });
  });

  test.each(['exporter', 'provider'] as const)('of the %s that ends with a 403 is an error, at once', async (end) => {
    const { receiver, ...ends } = await open((response) =>
      response.writeHead(403).end('<Error><Code>AccessDenied</Code><Message>no</Message></Error>'),
    );
    const called =
      end === 'exporter' ? ends[end].exportContext(recordOf(), call()) : ends[end].fetchContext('c', call());
    expect(await rejectionOf(called)).toMatchObject({
      message: expect.stringMatching(/Object on the bucket contexts failed: AccessDenied \(403\)\.$/),
    });
    expect(receiver.received.all).toHaveLength(1);
  });

  test('is attempted again after a 503', async () => {
    const { receiver, exporter } = await open((response, _, count) =>
      response.writeHead(count === 1 ? 503 : 200).end(),
    );
    await exporter.exportContext(recordOf(), call());
    expect(receiver.received.all).toHaveLength(2);
  });

  test('that brings no record is an error that shows nothing of it', async () => {
    const { provider } = await open((response) => response.end('{"hUsH'));
    const error = await rejectionOf(provider.fetchContext('call:123', call()));
    expect(error).toMatchObject({ message: `s3://contexts/${name}: the record is not JSON.` });
  });

  test('that does not end is given up at the bound, and its socket let go', async () => {
    const { receiver, provider } = await open((response) => flood(response));
    expect(await rejectionOf(provider.fetchContext('call:123', call()))).toMatchObject({
      message: `s3://contexts/${name}: the record has more than 67108864 bytes.`,
    });
    await until('the socket is let go', () => receiver.openAnswers === 0);
  });

  test.each(['exporter', 'provider'] as const)('that is not answered ends with the call of the %s', async (end) => {
    const leaving = new AbortController();
    const { receiver, ...ends } = await open(() => leaving.abort());
    const { signal } = leaving;
    const called =
      end === 'exporter' ? ends[end].exportContext(recordOf(), { signal }) : ends[end].fetchContext('c', { signal });
    expect(await rejectionOf(called)).toBe(leaving.signal.reason);
    await until('the socket is let go', () => receiver.openAnswers === 0);
    expect(receiver.received.all).toHaveLength(1);
  });

  test('ends with the call also in the middle of the answer', async () => {
    const leaving = new AbortController();
    // More than all buffers on the way hold: it is being read.
    const leave = (megabytes: number) => megabytes === 30 && leaving.abort(new Error('left'));
    const { receiver, provider } = await open((response) => flood(response, leave));
    expect(await rejectionOf(provider.fetchContext('c', { signal: leaving.signal }))).toMatchObject({
      message: 'left',
    });
    await until('the socket is let go', () => receiver.openAnswers === 0);
  });

  test('is not begun for a caller who has left', async () => {
    const { receiver, exporter, provider } = await open((response) => response.end());
    const reason = new Error('left');
    const signal = AbortSignal.abort(reason);
    expect(await rejectionOf(exporter.exportContext(recordOf(), { signal }))).toBe(reason);
    expect(await rejectionOf(provider.fetchContext('c', { signal }))).toBe(reason);
    expect(receiver.received.all).toEqual([]);
  });
});
