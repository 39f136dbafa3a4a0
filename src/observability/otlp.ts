/**
 * Traces for a collector of OpenTelemetry, by OTLP over HTTP.
 *
 * The packages are loaded here, when this is called, and nowhere else: they cost some 15 MB and a tenth of a second.
 * Nothing of theirs is registered globally. What the collector does not take in time is dropped: the queue is bounded
 * (BatchSpanProcessor), and a request never waits for it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as Api from '@opentelemetry/api';
import type * as Otlp from '@opentelemetry/exporter-trace-otlp-proto';
import type * as Resources from '@opentelemetry/resources';
import type * as Sdk from '@opentelemetry/sdk-trace';
import { CollectorWatch } from './collector.ts';
import type { Logger } from './logger.ts';
import type { Attributes, RemoteTrace, Span, SpanError, SpanStart, Tracing } from './tracing.ts';

/** Where traces go, and how many. */
export interface OtlpOptions {
  /** The URL of the collector; `/v1/traces` is added. */
  readonly endpoint: string;
  /** The share of requests that are traced, of those whose clients do not say: 0 to 1. */
  readonly sampleRatio: number;
  readonly logger: Logger;
}

/** Traces that are sent. */
export interface OtlpTracing extends Tracing {
  /** Sends what is left, in bounded time. Never rejects. */
  close(): Promise<void>;
}

/** How long the last traces may take to be sent when the server stops. */
const flushTimeoutMs = 4_000;
/** Spans that wait to be sent; further ones are dropped. */
const maxQueueSize = 4_096;
/** Names of operations are chosen by clients. */
const maxAttributeLength = 256;
/** So many writes may be in one commit. */
const maxLinks = 256;

/** Begins to trace. @throws TypeError when the packages do not accept the endpoint. */
export function createOtlpTracing({ endpoint, sampleRatio, logger }: OtlpOptions): OtlpTracing {
  const load = createRequire(import.meta.url);
  // What `require` answers has no types; these are those of the packages.
  const api = load('@opentelemetry/api') as typeof Api;
  const { OTLPTraceExporter } = load('@opentelemetry/exporter-trace-otlp-proto') as typeof Otlp;
  const resources = load('@opentelemetry/resources') as typeof Resources;
  const sdk = load('@opentelemetry/sdk-trace') as typeof Sdk;
  const { version } = load('../../package.json') as { readonly version: string };
  const exporter = new CollectorWatch({ exporter: new OTLPTraceExporter({ url: tracesUrl(endpoint) }), logger });
  const provider = new sdk.TracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': 'chord', 'service.version': version }))
      // Another id for each process; then OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which outrank ours.
      .merge(resources.detectResources({ detectors: [resources.serviceInstanceIdDetector, resources.envDetector] })),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(sampleRatio) }),
    spanLimits: { attributeValueLengthLimit: maxAttributeLength, linkCountLimit: maxLinks },
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, maxQueueSize })],
  });
  return new OtlpTracer(api, provider, () => exporter.giveUp());
}

function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

/** Where something runs: in a piece, and for others that wait for it, too. */
interface Place {
  readonly span: OtlpSpan;
  readonly waiting: readonly OtlpSpan[];
}

class OtlpTracer implements OtlpTracing {
  readonly #api: typeof Api;
  readonly #provider: Sdk.TracerProvider;
  readonly #tracer: Api.Tracer;
  readonly #onLate: () => void;
  readonly #places = new AsyncLocalStorage<Place | undefined>();

  /** @param onLate the last traces were not sent in time. */
  constructor(api: typeof Api, provider: Sdk.TracerProvider, onLate: () => void) {
    this.#api = api;
    this.#provider = provider;
    this.#onLate = onLate;
    this.#tracer = provider.getTracer('chord');
  }

  serve(start: SpanStart, client: RemoteTrace): Span | undefined {
    const span = this.#start(start, this.#contextOf(client), []);
    // Nothing below it pays for a request that is not traced.
    return span.isRecording() ? new OtlpSpan(span, this.#places) : undefined;
  }

  begin(start: SpanStart, whole?: Span): Span | undefined {
    const place = whole instanceof OtlpSpan ? { span: whole, waiting: [] } : this.#places.getStore();
    if (place === undefined || (whole === undefined && place.span.isOver)) return undefined;
    const links = place.waiting.map(({ inner }) => ({ context: inner.spanContext() }));
    const context = this.#api.trace.setSpan(this.#api.ROOT_CONTEXT, place.span.inner);
    const span = this.#start(start, context, links);
    // Also the other way: who looks at their trace finds the one in which their work was done.
    for (const { inner } of place.waiting) inner.addLink({ context: span.spanContext() });
    return new OtlpSpan(span, this.#places);
  }

  current(): Span | undefined {
    return this.#places.getStore()?.span;
  }

  join<T>(spans: readonly (Span | undefined)[], work: () => T): T {
    const [span, ...waiting] = spans.filter((each) => each instanceof OtlpSpan);
    return this.#places.run(span === undefined ? undefined : { span, waiting }, work);
  }

  async close(): Promise<void> {
    const patience = new AbortController();
    const late = sleep(flushTimeoutMs, true, { signal: patience.signal }).catch(() => false);
    // What cannot be sent was said (collector.ts).
    const sent = this.#provider.shutdown().then(
      () => false,
      () => false,
    );
    if (await Promise.race([sent, late])) this.#onLate();
    patience.abort();
  }

  #start({ name, kind = 'internal', attributes }: SpanStart, context: Api.Context, links: Api.Link[]): Api.Span {
    const { SpanKind } = this.#api;
    const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };
    const options = {
      kind: kinds[kind],
      links,
      ...(attributes === undefined ? {} : { attributes: { ...attributes } }),
    };
    return this.#tracer.startSpan(name, options, context);
  }

  #contextOf(client: RemoteTrace): Api.Context {
    const { ROOT_CONTEXT, createTraceState, isSpanContextValid, trace } = this.#api;
    const parent = parseTraceparent(client.traceparent);
    if (parent === undefined || !isSpanContextValid(parent)) return ROOT_CONTEXT;
    const { tracestate } = client;
    const traceState = typeof tracestate === 'string' ? { traceState: createTraceState(tracestate) } : {};
    return trace.setSpanContext(ROOT_CONTEXT, { ...parent, ...traceState, isRemote: true });
  }
}

class OtlpSpan implements Span {
  /** As the package has it. */
  readonly inner: Api.Span;
  readonly #places: AsyncLocalStorage<Place | undefined>;
  isOver = false;

  constructor(inner: Api.Span, places: AsyncLocalStorage<Place | undefined>) {
    this.inner = inner;
    this.#places = places;
  }

  get traceId(): string {
    return this.inner.spanContext().traceId;
  }

  run<T>(work: () => T): T {
    return this.#places.run({ span: this, waiting: [] }, work);
  }

  end(attributes: Attributes = {}, error?: SpanError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.inner.setAttributes({ ...attributes });
    if (error !== undefined) {
      this.inner.setAttribute('error.type', error.type);
      // SpanStatusCode.ERROR: the enum is in the package, which is not loaded for its numbers.
      if (error.isFault) this.inner.setStatus({ code: 2 });
    }
    this.inner.end();
  }
}

/** @see W3C Trace Context, 3.2: later versions may have more at the end, and 255 is none. */
function parseTraceparent(given: unknown): Api.SpanContext | undefined {
  if (typeof given !== 'string' || given.length > 512) return undefined;
  const [, version, traceId, spanId, flags, more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(given) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined || version === 'ff') return undefined;
  if (version === '00' && more !== undefined) return undefined;
  // Bit 0: the client is traced. The others mean nothing here.
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 };
}
