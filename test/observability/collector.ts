/** A collector of traces: what an operator runs, as far as Chord can tell. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '../support/wait.ts';

/** A span as it came over the wire. */
export interface SentSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is the first. */
  readonly parentSpanId: string;
  readonly traceState: string;
  /** Of OTLP: 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Of OTLP: 2 is an error. */
  readonly status: number;
  readonly durationNs: bigint;
  readonly resource: Readonly<Record<string, unknown>>;
}

/** Takes traces by OTLP over HTTP, until it is disposed. */
export class Collector implements AsyncDisposable {
  readonly spans: SentSpan[] = [];
  /** Everything that was sent, as text, for what must not be in it. */
  raw = '';
  headers: IncomingMessage['headers'] = {};
  requests = 0;
  /** What it answers. */
  status = 200;
  readonly #server: Server;
  readonly #paths = new Set<string | undefined>();

  constructor(server: Server) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        this.requests++;
        this.headers = request.headers;
        this.#paths.add(request.url);
        this.raw += body.toString('latin1');
        if (this.status === 200) this.spans.push(...readTraces(body));
        response.writeHead(this.status, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
  }

  /** @param port 0: any free one. */
  static async open(port = 0): Promise<Collector> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(port, '127.0.0.1', resolve);
    });
    return new Collector(server);
  }

  get port(): number {
    // It listens on TCP.
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get paths(): readonly (string | undefined)[] {
    return [...this.#paths];
  }

  named(name: string): readonly SentSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The only one with this name. */
  one(name: string): SentSpan {
    const [span, ...more] = this.named(name);
    if (span === undefined || more.length > 0)
      throw new Error(`${more.length + 1} or no spans ${name}: ${this.names.join()}`);
    return span;
  }

  get names(): readonly string[] {
    return this.spans.map(({ name }) => name);
  }

  async waitFor(name: string, count = 1): Promise<void> {
    await until(`${count} spans ${name}`, () => this.named(name).length >= count);
  }

  /** The names from the first span of a trace to this one. */
  pathTo(span: SentSpan): readonly string[] {
    const parent = this.spans.find(({ spanId }) => spanId === span.parentSpanId);
    return parent === undefined ? [span.name] : [...this.pathTo(parent), span.name];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }
}

/*
 * The wire format of Protocol Buffers, as far as traces use it. The numbers of the fields are those of
 * opentelemetry/proto/trace/v1/trace.proto and its neighbours.
 */

type Fields = ReadonlyMap<number, readonly (bigint | Buffer)[]>;

function readTraces(request: Buffer): readonly SentSpan[] {
  return messages(fieldsOf(request), 1).flatMap((resourceSpans) => {
    const [resource = new Map()] = messages(resourceSpans, 1);
    const attributes = readAttributes(resource, 1);
    return messages(resourceSpans, 2).flatMap((scopeSpans) =>
      messages(scopeSpans, 2).map((span) => readSpan(span, attributes)),
    );
  });
}

function readSpan(span: Fields, resource: SentSpan['resource']): SentSpan {
  const [status = new Map()] = messages(span, 15);
  return {
    traceId: bytes(span, 1).toString('hex'),
    spanId: bytes(span, 2).toString('hex'),
    traceState: bytes(span, 3).toString(),
    parentSpanId: bytes(span, 4).toString('hex'),
    name: bytes(span, 5).toString(),
    kind: Number(number(span, 6)),
    durationNs: number(span, 8) - number(span, 7),
    attributes: readAttributes(span, 9),
    links: messages(span, 13).map((link) => ({
      traceId: bytes(link, 1).toString('hex'),
      spanId: bytes(link, 2).toString('hex'),
    })),
    status: Number(number(status, 3)),
    resource,
  };
}

function readAttributes(fields: Fields, field: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    messages(fields, field).map((pair) => {
      const [value = new Map()] = messages(pair, 2);
      return [bytes(pair, 1).toString(), readValue(value)];
    }),
  );
}

function readValue(value: Fields): unknown {
  if (value.has(1)) return bytes(value, 1).toString();
  if (value.has(2)) return number(value, 2) === 1n;
  if (value.has(3)) return Number(number(value, 3));
  return undefined;
}

function bytes(fields: Fields, field: number): Buffer {
  const [value] = fields.get(field) ?? [];
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function number(fields: Fields, field: number): bigint {
  const [value] = fields.get(field) ?? [];
  return typeof value === 'bigint' ? value : 0n;
}

function messages(fields: Fields, field: number): readonly Fields[] {
  return (fields.get(field) ?? []).flatMap((value) => (Buffer.isBuffer(value) ? [fieldsOf(value)] : []));
}

function fieldsOf(buffer: Buffer): Fields {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    at += length;
    return buffer.subarray(at - length, at);
  };
  while (at < buffer.length) {
    const tag = Number(varint());
    const read = (): bigint | Buffer => {
      switch (tag & 7) {
        case 0:
          return varint();
        case 1:
          return take(8).readBigUInt64LE();
        case 2:
          return take(Number(varint()));
        case 5:
          return BigInt(take(4).readUInt32LE());
        default:
          throw new Error(`a wire type that nobody uses: ${tag & 7}`);
      }
    };
    const values = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, [...values, read()]);
  }
  return fields;
}
