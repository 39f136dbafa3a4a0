/**
 * Traces: where the time of one request went, piece by piece, from its arrival to the store.
 *
 * The layers are given a `Tracing`, as they are given `Metrics`, and where none is given nothing is done, at no cost. The
 * piece that runs now is known to all that is called in it, however deep, without an argument for it; it is kept beside
 * OpenTelemetry's own global context, since a process that embeds Chord may have traces of its own. What becomes of the
 * pieces is decided elsewhere (otlp.ts). They hold neither ids of contexts nor viewers nor anything of a state, a
 * document or a message: whoever reads traces need not be somebody who may read what is stored.
 */

/** What is known of a piece of work, by the names of OpenTelemetry's semantic conventions. Undefined counts as absent. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A piece of work that begins. */
export interface SpanStart {
  /** Of few: names are what pieces are grouped by. */
  readonly name: string;
  /** `server`: somebody asked us; `client`: we ask another process. Default `internal`. */
  readonly kind?: 'server' | 'client' | 'internal';
  readonly attributes?: Attributes;
}

/** What a piece ended with, if not well. */
export interface SpanError {
  /** A code: never a message, which may quote the request. */
  readonly type: string;
  /** Whether somebody should mend something; false: it was refused, as it should be. */
  readonly isFault: boolean;
}

/** A piece of work in a trace. */
export interface Span {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Does the work, which is a part of this piece with all that it begins. */
  run<T>(work: () => T): T;
  /** It is over. Neither that nor what is said of it later counts twice. */
  end(attributes?: Attributes, error?: SpanError): void;
}

/** The trace that a client is in, as it says (W3C Trace Context). Untrusted: what is none counts as absent. */
export interface RemoteTrace {
  readonly traceparent?: unknown;
  readonly tracestate?: unknown;
}

/** Makes traces. Nothing here throws or waits. */
export interface Tracing {
  /** The first piece of a request, in the client's trace if it is in one. Undefined: this request is not traced. */
  serve(start: SpanStart, client: RemoteTrace): Span | undefined;
  /**
   * A part of a piece.
   *
   * @param whole by default the piece that runs now; nothing when that is over, as for loops that it has begun.
   */
  begin(start: SpanStart, whole?: Span): Span | undefined;
  /** The piece that runs now. */
  current(): Span | undefined;
  /** Does work that several pieces wait for: what it begins is a part of the first, linked with the others. */
  join<T>(spans: readonly (Span | undefined)[], work: () => T): T;
}

/** Which piece some work is, and what is to be known of it when it has ended. */
export interface SpanRules<T> {
  readonly start: SpanStart;
  readonly describe?: ((result: T) => Attributes) | undefined;
  /** A result that is a failure; undefined: it is none. */
  readonly judge?: ((result: T) => SpanError | undefined) | undefined;
  readonly explain: (error: unknown) => SpanError;
  /** By default the piece that runs now. */
  readonly whole?: Span | undefined;
}

/** Does the work as a part of another piece; where there is none it is the work itself. */
export async function inSpan<T>(
  tracing: Tracing,
  work: () => Promise<T>,
  { start, describe, judge, explain, whole }: SpanRules<T>,
): Promise<T> {
  const span = tracing.begin(start, whole);
  if (span === undefined) return work();
  try {
    const result = await span.run(work);
    span.end(describe?.(result), judge?.(result));
    return result;
  } catch (error) {
    span.end(undefined, explain(error));
    throw error;
  }
}
