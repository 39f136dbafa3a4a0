import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from './logger.ts';

/** A collector that comes and goes is spoken of no more often. */
const quietMs = 60_000;

/** Parts of a watch on a collector. */
export interface CollectorWatchOptions {
  readonly exporter: SpanExporter;
  readonly logger: Logger;
  /** Of a clock that never goes back. */
  readonly nowMs?: () => number;
}

/**
 * The same exporter, and the log says when it begins to fail and when it works again: once each, however long that is
 * and however much there is to send. Spans that could not be sent are lost.
 */
export class CollectorWatch implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  #lost = 0;
  #isTold = false;
  #quietUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ exporter, logger, nowMs = () => performance.now() }: CollectorWatchOptions) {
    this.#exporter = exporter;
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  export(spans: ReadableSpan[], onResult: Parameters<SpanExporter['export']>[1]): void {
    this.#exporter.export(spans, (result) => {
      const code: number = result.code;
      // ExportResultCode.SUCCESS: the enum is in a package that is not ours to load.
      if (code === 0) this.#noteSent();
      else {
        this.#lost += spans.length;
        // The collector's answer stays out: the error has it in a field of its own, which no line shows.
        this.#noteFailed(result.error);
      }
      onResult(result);
    });
  }

  /** Nobody waits any longer for what is being sent. */
  giveUp(): void {
    this.#noteFailed(new Error('Nothing was answered in time.'));
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #noteSent(): void {
    if (!this.#isTold) return;
    this.#logger.info('traces are sent again', { lostSpans: this.#lost });
    this.#lost = 0;
    this.#isTold = false;
  }

  #noteFailed(error: Error | undefined): void {
    if (this.#isTold || this.#nowMs() < this.#quietUntilMs) return;
    this.#isTold = true;
    this.#quietUntilMs = this.#nowMs() + quietMs;
    this.#logger.warn('traces cannot be sent to otlpEndpoint', { error });
  }
}
