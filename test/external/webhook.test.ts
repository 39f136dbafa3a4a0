import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createExporter, createProvider } from '../../src/external/builtin.ts';
import type { ExportedContext } from '../../src/external/external.ts';
import { rejectionOf } from '../support/chord.ts';
import { soon, until } from '../support/wait.ts';
import { type Answer, flood, json, type Received, Receiver, stopReceivers } from './receiver.ts';
import { call, defaults, recordOf } from './records.ts';

afterEach(stopReceivers);

const webhookSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** Both ends, with everything in the URL that must not be shown. */
async function open(answer: Answer, secret = webhookSecret) {
  const receiver = await Receiver.start(answer);
  const url = `${receiver.origin}/p4th?token=qu3ry`;
  return { receiver, ...clientsOf(url, secret) };
}

function clientsOf(url: string, secret = webhookSecret) {
  const exporter = createExporter({ ...defaults, exporter: 'webhook', webhookExportUrl: url, webhookSecret: secret });
  const provider = createProvider({ ...defaults, provider: 'webhook', webhookProviderUrl: url, webhookSecret: secret });
  return {
    exportContext: (record: ExportedContext, { signal } = call()) => exporter?.exportContext(record, { signal }),
    fetchContext: (id: string, { signal } = call()) => provider?.fetchContext(id, { signal }),
  };
}

/** The specification's signature, computed here anew. */
function expectedSignature({ headers, body }: Received, key: Buffer | string): string {
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}

/** The message and those of all its causes. */
function wordsOf(error: unknown): string {
  return error instanceof Error ? `${error.stack} ${wordsOf(error.cause)}` : String(error);
}

describe('an export', () => {
  test('is a POST of the record as JSON', async () => {
    const { receiver, exportContext } = await open((response) => response.writeHead(204).end());
    await exportContext(recordOf({ state: { text: 'é🙂\ud800' } }));
    const [received] = receiver.received.all;
    expect(received).toMatchObject({
      method: 'POST',
      url: '/p4th?token=qu3ry',
      headers: { 'content-type': 'application/json' },
    });
    expect(JSON.parse(received?.body ?? '')).toEqual(recordOf({ state: { text: 'é🙂\ud800' } }));
  });

  test.each([200, 201, 202, 204, 299])('is safe with a %i', async (status) => {
    const { receiver, exportContext } = await open((response) => response.writeHead(status).end());
    await exportContext(recordOf());
    expect(receiver.received.all).toHaveLength(1);
  });

  test('does not read the answer, and keeps no socket for it', async () => {
    const { receiver, exportContext } = await open((response) => flood(response));
    await soon('the export', Promise.resolve(exportContext(recordOf())));
    await until('the socket is let go', () => receiver.openAnswers === 0);
    expect(receiver.received.all).toHaveLength(1);
  });

  test('is attempted again after a 5xx, with the same id, and a timestamp and signature of the attempt', async () => {
    const { receiver, exportContext } = await open((response, _, count) =>
      json(response, count === 1 ? 500 : count === 2 ? 503 : 200, { problem: 'none of yours' }),
    );
    await exportContext(recordOf());
    const { all } = receiver.received;
    expect(all).toHaveLength(3);
    expect(new Set(all.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
    for (const received of all) expect(received.headers['webhook-signature']).toBe(expectedSignature(received, key));
  });

  test.each([400, 401, 404, 409, 410, 429])('is refused by a %i, once', async (status) => {
    const { receiver, exportContext } = await open((response) => json(response, status, { secret: 'hUsH' }));
    const error = await rejectionOf(Promise.resolve(exportContext(recordOf())));
    expect(error).toMatchObject({ message: `${receiver.origin} answered ${status}.` });
    expect(receiver.received.all).toHaveLength(1);
  });

  test.each([301, 302, 303, 307, 308])('follows no %i', async (status) => {
    const other = await Receiver.start((response) => response.end());
    const { receiver, exportContext } = await open((response) =>
      response.writeHead(status, { location: other.origin }).end(),
    );
    const error = await rejectionOf(Promise.resolve(exportContext(recordOf())));
    expect(error).toMatchObject({ message: `${receiver.origin} answered ${status}; redirects are not followed.` });
    expect(other.received.all).toEqual([]);
  });

  test('has an id that only the same version of the same context has', async () => {
    const { receiver, exportContext } = await open((response) => response.end());
    const same = [recordOf(), recordOf()];
    const others = [
      recordOf({ id: 'call:124' }),
      recordOf({ version: 2 }),
      recordOf({ epoch: 'BBBBBBBBBBBBBBBB' }),
      recordOf({ id: 'call:123A', epoch: 'AAAAAAAAAAAAAAA' }),
    ];
    for (const record of [...same, ...others]) await exportContext(record);
    const ids = receiver.received.all.map(({ headers }) => headers['webhook-id']);
    expect(ids[0]).toMatch(/^export_[\w-]{43}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(1 + others.length);
  });
});

describe('the signature', () => {
  test('is of now', async () => {
    const { receiver, exportContext } = await open((response) => response.end());
    const before = Math.floor(Date.now() / 1000);
    await exportContext(recordOf());
    const timestamp = Number(receiver.received.all[0]?.headers['webhook-timestamp']);
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThanOrEqual(Date.now() / 1000);
  });

  test.each([
    ['whsec_ and base64 is the base64', webhookSecret, Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')],
    ['anything else is its UTF-8', 'gehéim', Buffer.from([0x67, 0x65, 0x68, 0xc3, 0xa9, 0x69, 0x6d])],
  ])('has a key that for %s', async (_, secret, key) => {
    const { receiver, exportContext, fetchContext } = await open((response) => json(response, 200, recordOf()), secret);
    await exportContext(recordOf());
    await fetchContext('call:123');
    for (const received of receiver.received.all) {
      expect(received.headers['webhook-signature']).toBe(expectedSignature(received, key));
    }
  });
});

describe('a fetch', () => {
  test('is a signed POST that names the context, with an id of its own', async () => {
    const { receiver, fetchContext } = await open((response) => json(response, 404, {}));
    for (const id of ['a/é', 'a/é']) await fetchContext(id);
    const [first, second] = receiver.received.all;
    expect(first).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json' } });
    expect(JSON.parse(first?.body ?? '')).toEqual({ type: 'context.fetch', id: 'a/é' });
    expect(first?.headers['webhook-id']).toMatch(/^fetch_[\w-]+$/);
    expect(second?.headers['webhook-id']).not.toBe(first?.headers['webhook-id']);
  });

  test('brings an exported record, or state and version alone', async () => {
    const answers = [recordOf({ version: 7 }), { state: { a: 1 }, version: 8 }];
    const { fetchContext } = await open((response, _, count) => json(response, 200, answers[count - 1]));
    expect(await fetchContext('call:123')).toEqual({ state: { status: 'ringing' }, version: 7 });
    expect(await fetchContext('call:123')).toEqual({ state: { a: 1 }, version: 8 });
  });

  test('that is answered by 404 has found nothing', async () => {
    const { fetchContext } = await open((response) => json(response, 404, { state: {}, version: 1 }));
    expect(await fetchContext('c')).toBeNull();
  });

  test.each([201, 204, 302, 400, 403, 410])('that is answered by %i is an error', async (status) => {
    const { receiver, fetchContext } = await open((response) => response.writeHead(status).end());
    const error = await rejectionOf(Promise.resolve(fetchContext('c')));
    expect(error).toMatchObject({ message: expect.stringContaining(`${receiver.origin} answered ${status}`) });
    expect(receiver.received.all).toHaveLength(1);
  });

  test.each([
    ['an empty body', ''],
    ['a page', '<html>hUsH</html>'],
    ['another context', JSON.stringify(recordOf({ id: 'other', state: { hUsH: 1 } }))],
  ])('that is answered by %s is an error that shows nothing of it', async (_, body) => {
    const { fetchContext } = await open((response) => response.end(body));
    const error = await rejectionOf(Promise.resolve(fetchContext('c')));
    expect(wordsOf(error)).toMatch(/the record is (not JSON|of another context)/);
    expect(wordsOf(error)).not.toContain('hUsH');
  });

  test('that is answered without an end is given up at the bound, and its socket closed', async () => {
    const { receiver, fetchContext } = await open((response) => flood(response));
    expect(await rejectionOf(Promise.resolve(fetchContext('c')))).toMatchObject({
      message: `${receiver.origin}: the record has more than 67108864 bytes.`,
    });
    await until('the socket is let go', () => receiver.openAnswers === 0);
  });

  test('that breaks off in the middle of the answer is attempted again', async () => {
    const { receiver, fetchContext } = await open((response, _, count) => {
      if (count > 1) return json(response, 200, recordOf());
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"state":', () => response.destroy());
    });
    expect(await fetchContext('call:123')).toMatchObject({ version: 1 });
    expect(receiver.received.all).toHaveLength(2);
  });
});

describe('a caller who leaves', () => {
  test('while it answers 503 for ever is told so, after several attempts', async () => {
    const leaving = new AbortController();
    const { receiver, exportContext } = await open((response, _, count) => {
      if (count === 4) leaving.abort();
      json(response, 503, {});
    });
    const error = await rejectionOf(Promise.resolve(exportContext(recordOf(), { signal: leaving.signal })));
    expect(error).toMatchObject({
      message: expect.stringMatching(new RegExp(`^${receiver.origin} answered 503. Given up at attempt [45].$`)),
    });
  });

  test.each(['exportContext', 'fetchContext'] as const)('while nothing is answered ends %s at once', async (verb) => {
    const leaving = new AbortController();
    const reason = new Error('left');
    const { receiver, ...clients } = await open(() => leaving.abort(reason));
    const options = { signal: leaving.signal };
    const called = verb === 'exportContext' ? clients[verb](recordOf(), options) : clients[verb]('c', options);
    expect(await rejectionOf(Promise.resolve(called))).toBe(reason);
    await until('the socket is let go', () => receiver.openAnswers === 0);
    expect(receiver.received.all).toHaveLength(1);
  });

  test('in the middle of an answer ends the fetch, and the answer', async () => {
    const leaving = new AbortController();
    // More than all buffers on the way hold: it is being read.
    const leave = (megabytes: number) => megabytes === 30 && leaving.abort(new Error('left'));
    const { receiver, fetchContext } = await open((response) => flood(response, leave));
    const error = await rejectionOf(Promise.resolve(fetchContext('c', { signal: leaving.signal })));
    expect(error).toMatchObject({ message: 'left' });
    await until('the socket is let go', () => receiver.openAnswers === 0);
  });

  test('while nobody listens is told what the matter was', async () => {
    const { receiver, exportContext } = await open((response) => response.end());
    await receiver.stop();
    const error = await rejectionOf(Promise.resolve(exportContext(recordOf(), { signal: AbortSignal.timeout(300) })));
    expect(error).toMatchObject({
      message: expect.stringMatching(
        new RegExp(`^${receiver.origin} cannot be reached: ECONNREFUSED. Given up at attempt \\d+.$`),
      ),
    });
  });
});

test('credentials in the URL are sent as Basic authorization', async () => {
  const receiver = await Receiver.start((response) => response.end());
  const { exportContext } = clientsOf(receiver.origin.replace('//', '//us%40er:p%3Ass@'));
  await exportContext(recordOf());
  const { authorization = '' } = receiver.received.all[0]?.headers ?? {};
  expect(Buffer.from(authorization.replace('Basic ', ''), 'base64').toString()).toBe('us@er:p:ss');
});

test('no message, and no cause of one, shows the path, the query, the credentials, the secret or the state', async () => {
  const receiver = await Receiver.start((response, _, count) =>
    count === 1 ? response.writeHead(400).end() : response.writeHead(302, { location: '/' }).end(),
  );
  const url = `${receiver.origin.replace('//', '//us3r:pass0rd@')}/p4th?token=qu3ry#fr4gment`;
  const { exportContext, fetchContext } = clientsOf(url, 'k3y');
  const record = recordOf({ state: { hUsH: 1 } });
  const errors = [
    await rejectionOf(Promise.resolve(exportContext(record))),
    await rejectionOf(Promise.resolve(fetchContext('c'))),
  ];
  await receiver.stop();
  errors.push(await rejectionOf(Promise.resolve(exportContext(record, { signal: AbortSignal.timeout(100) }))));
  for (const words of errors.map(wordsOf)) {
    expect(words).toContain('127.0.0.1');
    expect(words).not.toMatch(/us3r|pass0rd|p4th|qu3ry|fr4gment|k3y|hUsH/);
  }
});
