/** `/metrics` on a listener of its own, which nobody reaches who reaches the API alone. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../../observability/logger.ts';
import type { Figures } from '../../observability/prometheus.ts';

/** Where the metrics are, and what they say. */
export interface MetricsServerOptions {
  readonly figures: Figures;
  readonly logger: Logger;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

const path = '/metrics';
/** Whoever scrapes needs one. */
const maxConnections = 32;
/** How long a request may take to arrive; an idle connection is kept for a scrape interval that is usual. */
const requestTimeoutMs = 10_000;
const keepAliveTimeoutMs = 65_000;

/** Serves the metrics of one process, or of its workers. It is started once and stopped once. */
export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #http: Server;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    const limits = {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
    };
    this.#http = createServer(limits, (request, response) => this.#handle(request, response));
    this.#http.maxConnections = maxConnections;
  }

  /**
   * @returns where the metrics are.
   * @throws what `listen` of node:net reports, for example EADDRINUSE.
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen({ host, port }, () => {
        this.#http.off('error', reject);
        resolve();
      });
    });
    // A TCP server has an address of this shape as long as it listens.
    const { port: actual } = this.#http.address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}${path}`;
  }

  /** Ends every connection: nothing that is lost is not in the next scrape of another process. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
    });
    this.#http.closeAllConnections();
    await closed;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    if (request.url?.split('?', 1)[0] !== path) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`There is only ${path}.`);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const { figures, logger } = this.#options;
    figures.text().then(
      (text) => {
        response.writeHead(200, { 'content-type': figures.contentType, 'cache-control': 'no-store' }).end(text);
      },
      (error: unknown) => {
        logger.error('metrics cannot be told', { error });
        response.writeHead(500).end();
      },
    );
  }
}
