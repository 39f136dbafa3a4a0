import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Random } from '../fixtures/random.ts';
import { post } from '../support/app.ts';
import { contextChanged, eventOf, followOperation, openWebSocket, subscribeOn } from '../support/transports.ts';
import { until } from '../support/wait.ts';
import { ServerProcess, secret } from './server-process.ts';

const MiB = 1024 * 1024;
const maxRequestBytes = 64 * 1024;

let server: ServerProcess | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const codes = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'LIMIT_EXCEEDED',
  'BAD_USER_INPUT',
  'BACKEND_UNAVAILABLE',
];

test('ten thousand malformed requests leave a server as it was', { timeout: 120_000 }, async () => {
  const running = await ServerProcess.start({ maxRequestBytes, deltaThreshold: 5, slowReaderTimeoutMs: 5_000 });
  server = running;
  const abuser = new Abuser(running, 20_261_123);

  // GraphiQL, some 50 MiB, is loaded once, when somebody asks for it: before the first look, not after it.
  await (await fetch(running.url, { headers: { accept: 'text/html' } })).text();
  const startMs = performance.now();
  await abuser.run(1_000);
  await until('nothing is followed', () => running.isDeserted());
  const early = await running.ask({ kind: 'memory' });
  await abuser.run(9_000);
  await until('nothing is followed', () => running.isDeserted());
  const late = await running.ask({ kind: 'memory' });
  process.stdout.write(
    `abuse: ${JSON.stringify({
      ms: performance.now() - startMs,
      heap: [early.heapUsed / MiB, late.heapUsed / MiB],
      total: [early.total / MiB, late.total / MiB],
      answers: Object.fromEntries(abuser.answers),
    })}\n`,
  );

  expect(abuser.wrong).toEqual([]);
  // Documents that are kept (document-cache.ts) and code that was compiled meanwhile are 4 to 6 MiB.
  expect(late.heapUsed - early.heapUsed).toBeLessThan(8 * MiB);
  const { errors, leaks } = await running.ask({ kind: 'logs' });
  expect(errors).toEqual([]);
  expect(leaks).toEqual([]);
  expect(await running.ask({ kind: 'stats' })).toEqual({
    followers: 0,
    watchedContexts: 0,
    webSockets: 0,
    queuedWrites: 0,
    failingExports: 0,
    failedRuns: 0,
  });

  // It was abuse that arrived, not a network that swallowed it.
  expect(abuser.answers.get('400') ?? 0).toBeGreaterThan(1_000);
  for (const code of codes.slice(0, 4)) expect(abuser.answers.get(code) ?? 0).toBeGreaterThan(50);

  // And it does its work.
  const client = openWebSocket(running);
  const subscription = subscribeOn(client, followOperation('fresh'));
  expect(eventOf(await subscription.results.next())).toMatchObject({ __typename: 'NoContext' });
  const { data } = await post(running.url, {
    query: 'mutation { setContext(id: "fresh", state: { n: 1 }) { ... on SetContextPayload { version } } }',
  });
  expect(data).toEqual({ setContext: { version: 1 } });
  expect(eventOf(await subscription.results.next())).toMatchObject({ version: 1, context: { state: { n: 1 } } });
  await client.dispose();
});

/** Sends what no client should, by a seeded generator, several at once. */
class Abuser {
  /** How often each status and code came back. */
  readonly answers = new Map<string, number>();
  /** Answers that a server must not give. */
  readonly wrong: string[] = [];
  readonly #server: ServerProcess;
  readonly #random: Random;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(running: ServerProcess, seed: number) {
    this.#server = running;
    this.#random = new Random(seed);
  }

  async run(count: number): Promise<void> {
    let left = count;
    const worker = async () => {
      while (left-- > 0) await this.#one();
    };
    await Promise.all(Array.from({ length: 16 }, worker));
  }

  #one(): Promise<void> {
    const random = this.#random;
    const kinds: readonly (() => Promise<void>)[] = [
      () => this.#json(this.#wrongTypes()),
      () => this.#json(this.#wrongTypes()),
      () => this.#send('POST', '', jsonHeaders, this.#hostileState()),
      () => this.#send('POST', '', jsonHeaders, this.#hostileState()),
      () => this.#send('POST', '', jsonHeaders, this.#brokenJson()),
      () => this.#send('POST', '', jsonHeaders, this.#brokenJson()),
      () => this.#json({ query: this.#hostileDocument() }),
      () => this.#json({ query: this.#hostileDocument() }),
      () => this.#strangeRequest(),
      () => this.#strangeRequest(),
      () => this.#cutRequest(),
      () => this.#abandonedStream(),
      () => this.#webSocketOutOfOrder(),
      () => this.#abandonedWebSocket(),
      () => this.#brokenFrames(),
      // Rarely: it is slow.
      () => (random.chance(0.2) ? this.#hugeBody() : this.#json(this.#wrongTypes())),
    ];
    return random.pick(kinds)();
  }

  #count(answer: string): void {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }

  #judge(status: number, text: string): void {
    this.#count(String(status));
    if (status >= 500 || text.includes('INTERNAL_SERVER_ERROR') || /\.[jt]s:\d+/.test(text)) {
      this.wrong.push(`${status} ${text.slice(0, 500)}`);
    }
    for (const [, code = ''] of text.matchAll(/"code":"([A-Z_]+)"/g)) {
      this.#count(code);
      if (!codes.includes(code)) this.wrong.push(`${code} ${text.slice(0, 500)}`);
    }
  }

  #json(body: unknown): Promise<void> {
    return this.#send('POST', '', jsonHeaders, JSON.stringify(body));
  }

  /** Resolves when it is answered, or cut off by the server. */
  #send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: string | Buffer,
  ): Promise<void> {
    return new Promise((resolve) => {
      const outgoing = request(
        `${this.#server.url}${path}`,
        {
          method,
          agent: this.#agent,
          headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('error', () => resolve());
          response.on('close', () => {
            this.#judge(response.statusCode ?? 0, text);
            resolve();
          });
        },
      );
      outgoing.on('error', () => resolve());
      outgoing.end(body);
    });
  }

  #text(): string {
    return this.#random.pick([
      secret,
      '__proto__',
      'constructor',
      '',
      '\0',
      '\ud800',
      '😀',
      secret.repeat(100),
      '1e999',
      '../..',
    ]);
  }

  #value(depth = 0): unknown {
    const random = this.#random;
    const leaves = [null, true, -1, 0, 1.5, 2 ** 53, 1e308, this.#text(), [], {}];
    if (depth > 3 || random.chance(0.5)) return random.pick(leaves.filter((leaf) => leaf !== undefined) as object[]);
    if (random.chance(0.5)) return Array.from({ length: random.integer(0, 4) }, () => this.#value(depth + 1));
    return Object.fromEntries(
      Array.from({ length: random.integer(0, 4) }, () => [this.#text(), this.#value(depth + 1)] as const),
    );
  }

  #wrongTypes(): unknown {
    const query = this.#random.pick([
      'query ($a: ID!) { context(id: $a) { id state } }',
      'query ($a: SafeInt) { syncContext(id: "c", clientVersion: $a) { version } }',
      'query ($a: DateTime) { deltas(insertedAfter: $a) { totalCount } }',
      'query ($a: ContextFilter) { contexts(filter: $a) { nodes { id } totalCount } }',
      'query ($a: Int!) { contexts(limit: $a, offset: $a) { nodes { id } } }',
      'query ($a: SortDirection!) { contexts(order: $a) { hasNextPage } }',
      'mutation ($a: JSONObject!) { updateContext(id: "none", changes: $a) { __typename } }',
      'mutation ($a: [[String!]!]) { updateContext(id: "none", changes: {}, remove: $a) { __typename } }',
      'mutation ($a: String) { deleteContext(id: "none", idempotencyKey: $a, origin: $a) { __typename } }',
      'mutation ($a: SafeInt) { setContext(id: "c1", state: {}, ttlMs: $a, expectedVersion: $a) { __typename } }',
    ]);
    return this.#random.pick([
      { query, variables: { a: this.#value() } },
      { query, variables: { a: this.#value() } },
      { query, variables: { a: this.#value() } },
      { query, variables: this.#value() },
      { query: this.#value() },
      { query, operationName: this.#value() },
      { query, extensions: this.#value() },
      this.#value(),
      [{ query }, { query }],
    ]);
  }

  /** As text: a literal cannot have some of these keys, and what nests so deep cannot be written back. */
  #hostileState(): string {
    const random = this.#random;
    const depth = random.pick([1, 63, 64, 1_000, 5_000]);
    const state = random.pick([
      `{"__proto__":{"${secret}":1}}`,
      `{"constructor":{"prototype":{"a":1}},"then":{}}`,
      `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`,
      `{"a":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`,
      `{"\\ud800":"\\udfff","":"${secret}"}`,
      '{"n":1e999}',
    ]);
    const query = random.pick([
      'mutation ($id: ID!, $s: JSONObject!) { setContext(id: $id, state: $s) { __typename } }',
      'mutation ($id: ID!, $s: JSONObject!) { updateContext(id: $id, changes: $s) { __typename } }',
      'mutation ($id: ID!, $s: JSONObject!) { deleteContext(id: $id) { __typename } setContext(id: "", state: $s) { __typename } }',
    ]);
    return `{"query":${JSON.stringify(query)},"variables":{"id":"c${random.integer(1, 5)}","s":${state}}}`;
  }

  #brokenJson(): string | Buffer {
    const random = this.#random;
    const whole = JSON.stringify({ query: '{ __typename }', variables: { secret } });
    switch (random.integer(0, 4)) {
      case 0:
        return whole.slice(0, random.integer(0, whole.length - 1));
      case 1:
        return Buffer.from(Array.from({ length: random.integer(1, 200) }, () => random.integer(0, 255)));
      case 2:
        return '['.repeat(random.integer(1, 60_000));
      case 3:
        return `{"query":"{ context(id: \\"${secret}\\") { id } }",}`;
      default:
        return whole.replace(':', random.pick(['', '::', ',', '\0']));
    }
  }

  #hostileDocument(): string {
    const random = this.#random;
    const size = random.pick([10, 400, 3_000, 9_000]);
    const unique = random.integer(0, 1e9);
    switch (random.integer(0, 8)) {
      case 0:
        return `${'{ a '.repeat(size)}${'}'.repeat(size)}`;
      case 1:
        return `{ context(id: ${'['.repeat(size)}"${secret}"${']'.repeat(size)}) { id } }`;
      case 2:
        return `{ ${`a${unique}: __typename `.repeat(size)} }`;
      case 3:
        return `query ($${secret.replace('-', '_')}: X) { __typename } # ${'x'.repeat(size)} ${unique}`;
      case 4:
        return `{ ...f${unique} } fragment f${unique} on Query { ...g } fragment g on Query { ...f${unique} }`;
      case 5:
        return `{ ${Array.from({ length: Math.min(size, 500) }, (_, i) => `x${unique}${i}: context(id: "${secret}") { version }`).join(' ')} }`;
      case 6:
        return Array.from({ length: size / 10 }, () =>
          random.pick([
            '{',
            '}',
            '(',
            ')',
            '[',
            ']',
            '!',
            '$a',
            '...',
            'on',
            '"',
            '"""',
            '@x',
            '\u0000',
            '1e9',
            ':',
            '&',
            'query',
          ]),
        ).join(random.pick(['', ' ', ',']));
      case 7:
        return `mutation { setContext(id: "c1", state: ${'{ a: '.repeat(size)}1${'}'.repeat(size)}) { __typename } }`;
      default:
        return `{ contexts(filter: { idPrefix: "${secret}${unique}" }) { nodes { nothing${unique} } } }`;
    }
  }

  #strangeRequest(): Promise<void> {
    const random = this.#random;
    const method = random.pick(['GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'POST', 'POST', 'POST']);
    const type = random.pick([
      'text/plain',
      'application/xml',
      'multipart/form-data',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-16',
      'application/graphql',
      '',
      'application/json',
    ]);
    const accept = random.pick([
      '*/*',
      'application/json',
      'text/html',
      'image/png',
      'multipart/mixed',
      'text/event-stream',
      '',
      ';;;',
      'x'.repeat(3_000),
    ]);
    const path = random.pick([
      '',
      '?',
      `?query=${secret}`,
      '?query=%7B__typename%7D',
      '?query=%7B__typename%7D&variables=%7B',
      `?variables=${'x'.repeat(3_000)}`,
      '?query=mutation%7BdeleteContext(id:%22c1%22)%7B__typename%7D%7D',
      '/x',
      '?query=%00%ff',
    ]);
    const body = random.pick([
      null,
      '',
      `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${secret}\r\n--x--`,
      `query=${secret}`,
      '{ __typename }',
      '{"query":"{ __typename }"}',
    ]);
    return this.#send(
      method,
      path,
      { 'content-type': type, accept },
      method === 'GET' || method === 'HEAD' ? undefined : (body ?? undefined),
    );
  }

  #hugeBody(): Promise<void> {
    const text = 'x'.repeat(this.#random.integer(maxRequestBytes, 4 * maxRequestBytes));
    return this.#json({ query: '{ __typename }', variables: { text, secret } });
  }

  /** A request of which the client sends a part, and goes. */
  async #cutRequest(): Promise<void> {
    const body = JSON.stringify({ query: '{ contexts { nodes { id state } } }', variables: { secret } });
    const whole =
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${body.length + this.#random.integer(0, 1)}\r\n\r\n${body}`;
    const garbage = this.#random.chance(0.2) ? `${secret} \u0000\r\n\r\n` : whole;
    const part = garbage.slice(0, this.#random.integer(1, garbage.length));
    const socket = connect(this.#server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(part);
    await this.#aMoment();
    if (this.#random.chance(0.5)) socket.resetAndDestroy();
    else socket.destroy();
  }

  async #abandonedStream(): Promise<void> {
    const random = this.#random;
    const operation = {
      query: contextChanged,
      variables: { id: `c${random.integer(1, 20)}`, clientVersion: random.pick([null, 1, -1]) },
    };
    const headers = {
      ...jsonHeaders,
      accept: 'text/event-stream',
      'last-event-id': random.pick(['', '-', secret, 'x:1']),
    };
    const outgoing = request(this.#server.url, { method: 'POST', headers }, (response) => response.resume());
    outgoing.on('error', () => undefined);
    outgoing.end(JSON.stringify(operation));
    await this.#aMoment();
    outgoing.destroy();
  }

  /** From nothing at all to a few milliseconds: on this side of the connection, in the middle of it, or beyond. */
  async #aMoment(): Promise<void> {
    const turns = this.#random.integer(0, 12);
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
  }

  async #open(...protocols: readonly string[]): Promise<WebSocket> {
    const socket = new WebSocket(this.#server.webSocketUrl, [...protocols]);
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.#judge(101, data.toString()));
    await Promise.race([once(socket, 'open'), once(socket, 'close')]).catch(() => undefined);
    return socket;
  }

  async #webSocketOutOfOrder(): Promise<void> {
    const random = this.#random;
    const socket = await this.#open(
      ...random.pick([
        ['graphql-transport-ws'],
        ['graphql-transport-ws'],
        ['graphql-transport-ws'],
        ['graphql-ws'],
        [],
      ]),
    );
    const closed = once(socket, 'close').catch(() => undefined);
    if (socket.readyState !== socket.OPEN) return;
    if (random.chance(0.8)) socket.send('{"type":"connection_init"}');
    for (let turn = random.integer(1, 4); turn > 0; turn--) {
      socket.send(
        random.pick([
          '{"type":"connection_init"}',
          '{"type":"connection_ack"}',
          '{"type":"ping","payload":7}',
          `{"type":"${secret}"}`,
          JSON.stringify({ type: 'subscribe', id: '1', payload: this.#wrongTypes() }),
          JSON.stringify({
            type: 'subscribe',
            id: random.pick(['1', '__proto__']),
            payload: { query: this.#hostileDocument() },
          }),
          JSON.stringify({
            type: 'subscribe',
            id: '2',
            payload: { query: contextChanged, variables: { id: this.#text() } },
          }),
          JSON.stringify({ type: 'complete', id: random.pick(['1', '2', '__proto__']) }),
          this.#brokenJson(),
          Buffer.from([255, 0, 255]),
          JSON.stringify(this.#value()) ?? 'null',
        ]),
      );
    }
    await this.#aMoment();
    socket.send(secret, () => undefined);
    // Whatever came before: that is no message, and 4400 if nothing else.
    await closed;
  }

  async #abandonedWebSocket(): Promise<void> {
    const random = this.#random;
    const socket = await this.#open('graphql-transport-ws');
    const closed = once(socket, 'close').catch(() => undefined);
    socket.send('{"type":"connection_init"}');
    for (let id = random.integer(1, 5); id > 0; id--) {
      const payload = { query: contextChanged, variables: { id: `c${random.integer(1, 20)}` } };
      socket.send(JSON.stringify({ type: 'subscribe', id: String(id), payload }));
      if (random.chance(0.3)) socket.send(JSON.stringify({ type: 'complete', id: String(id) }));
      if (random.chance(0.3)) await this.#aMoment();
    }
    await this.#aMoment();
    if (random.chance(0.5)) socket.terminate();
    else socket.close();
    await closed;
  }

  async #brokenFrames(): Promise<void> {
    const random = this.#random;
    const socket = connect(this.#server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const closed = once(socket, 'close').catch(() => undefined);
    socket.write(
      `GET ${random.pick(['/graphql', '/graphql', '/graphql', '/other'])} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n` +
        `Upgrade: ${random.pick(['websocket', 'websocket', 'h2c'])}\r\nSec-WebSocket-Version: ${random.pick(['13', '13', '99'])}\r\n` +
        `Sec-WebSocket-Key: ${random.pick(['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ==', secret])}\r\n` +
        'Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    );
    await Promise.race([once(socket, 'data').catch(() => undefined), closed]);
    socket.write(Buffer.from(Array.from({ length: random.integer(1, 100) }, () => random.integer(0, 255))));
    await this.#aMoment();
    socket.destroy();
    await closed;
  }
}

const jsonHeaders = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
