/**
 * TLS by two files, which are read again while the server runs: certificates are short-lived, connections are not.
 *
 * A new certificate is for handshakes to come; open connections go on with the keys that they have agreed on.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';

/** How often the files are looked at, in ms. */
const lookEveryMs = 1_000;
/** How long before its end a certificate is worth a warning: two weeks. */
const noticeMs = 14 * 86_400_000;

/** Where they are. */
export interface CertificateFiles {
  /** The certificate, and those of its issuers after it, as PEM. */
  readonly certFile: string;
  /** Its private key as PEM, without a passphrase. */
  readonly keyFile: string;
}

/** What both files say: they fit each other. */
interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly expiresAtMs: number;
}

/**
 * The certificate of a server.
 *
 * Files that are broken, gone, or do not fit each other change nothing but the log, and only in the second look that
 * finds them so: whoever renews a certificate replaces one file after the other.
 */
export class Certificate {
  readonly #files: CertificateFiles;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closed = new AbortController();
  #pair: Pair;
  #servers: readonly Server[] = [];
  /** Why the files could not be used when they were looked at last. */
  #problem: string | undefined;
  #isProblemTold = false;
  /** What was said of the end of this certificate. */
  #notice: 'none' | 'soon' | 'over' = 'none';

  /**
   * Reads the files at once.
   *
   * @throws TypeError that begins with `tlsCertFile` or `tlsKeyFile` when they cannot be used. It shows nothing of a key.
   */
  constructor(files: CertificateFiles, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#files = files;
    this.#clock = clock;
    this.#logger = logger;
    const { certFile, keyFile } = files;
    const cert = attempt('tlsCertFile', certFile, () => readFileSync(certFile, 'utf8'));
    const key = attempt('tlsKeyFile', keyFile, () => readFileSync(keyFile, 'utf8'));
    this.#pair = pairOf(files, cert, key);
    this.#noticeEnd();
    // Never rejects.
    void this.#watch();
  }

  /**
   * Creates a server that speaks TLS 1.2 or newer with this certificate and the ones after it.
   *
   * @param options `handshakeTimeout`: how long a client may take to agree on keys, in ms.
   */
  createServer(options: ServerOptions & { readonly handshakeTimeout: number }): Server {
    const server = createServer({ ...options, ...contextOf(this.#pair), ALPNProtocols: ['http/1.1'] });
    // Mostly a client that does not know the issuer; node:https closes the connection.
    server.on('tlsClientError', (error) => this.#logger.debug('TLS handshake failed', { problem: messageOf(error) }));
    this.#servers = [...this.#servers, server];
    return server;
  }

  /** Looks no more. */
  close(): void {
    this.#closed.abort();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.#clock.sleep(lookEveryMs, signal);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    try {
      const [cert, key] = await this.#read();
      if (cert !== this.#pair.cert || key !== this.#pair.key) this.#renew(pairOf(this.#files, cert, key));
      this.#problem = undefined;
    } catch (error) {
      this.#tell(messageOf(error));
    }
    this.#noticeEnd();
  }

  #read(): Promise<readonly [cert: string, key: string]> {
    const { certFile, keyFile } = this.#files;
    return Promise.all([
      readFile(certFile, 'utf8').catch((error: unknown) => refuse('tlsCertFile', certFile, error)),
      readFile(keyFile, 'utf8').catch((error: unknown) => refuse('tlsKeyFile', keyFile, error)),
    ]);
  }

  #renew(pair: Pair): void {
    this.#pair = pair;
    this.#notice = 'none';
    for (const server of this.#servers) server.setSecureContext(contextOf(pair));
    this.#logger.info('certificate read again', { expiresAt: new Date(pair.expiresAtMs).toISOString() });
  }

  #tell(problem: string): void {
    if (problem !== this.#problem) this.#isProblemTold = false;
    else if (!this.#isProblemTold) {
      this.#isProblemTold = true;
      this.#logger.error('the certificate cannot be read again; the one from before stays', { problem });
    }
    this.#problem = problem;
  }

  /** Once for each of the two that can be said of a certificate. */
  #noticeEnd(): void {
    const leftMs = this.#pair.expiresAtMs - this.#clock.now();
    const notice = leftMs <= 0 ? 'over' : leftMs <= noticeMs ? 'soon' : 'none';
    if (notice === this.#notice || notice === 'none') return;
    this.#notice = notice;
    const expiresAt = new Date(this.#pair.expiresAtMs).toISOString();
    const path = this.#files.certFile;
    if (notice === 'soon') this.#logger.warn('the certificate runs out soon', { path, expiresAt });
    else this.#logger.error('the certificate has run out: clients refuse it', { path, expiresAt });
  }
}

/** Connections on which no keys were agreed on yet. node:https ends what speaks HTTP, and knows nothing of these. */
export class Handshakes {
  readonly #open = new Map<string, Socket>();

  /** @param server of node:https. */
  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const name = nameOf(socket);
      this.#open.set(name, socket);
      socket.once('close', () => this.#open.delete(name));
    });
    server.on('secureConnection', (socket) => this.#open.delete(nameOf(socket)));
  }

  /** Ends them. */
  end(): void {
    for (const socket of this.#open.values()) socket.destroy();
  }
}

/** The one thing that a connection and what is made of it by TLS are known to share. */
function nameOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}

function contextOf({ cert, key }: Pair): {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2';
} {
  return { cert, key, minVersion: 'TLSv1.2' };
}

/** @throws TypeError that begins with the option that is to blame. */
function pairOf({ certFile, keyFile }: CertificateFiles, cert: string, key: string): Pair {
  const certificate = attempt('tlsCertFile', certFile, () => new X509Certificate(cert), 'no certificate as PEM');
  const missing = 'no private key as PEM without a passphrase';
  const privateKey = attempt('tlsKeyFile', keyFile, () => createPrivateKey(key), missing);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TypeError(`tlsKeyFile: ${keyFile}: not the key of the first certificate in ${certFile}`);
  }
  const pair = { cert, key, expiresAtMs: Date.parse(certificate.validTo) };
  // OpenSSL has more to say: a key may be too weak, and what follows the first certificate may be none.
  attempt('tlsCertFile', certFile, () => createSecureContext(contextOf(pair)), 'it cannot be used');
  return pair;
}

/** @param problem what it means when that fails; absent: the failure says it itself. */
function attempt<T>(option: string, path: string, work: () => T, problem?: string): T {
  try {
    return work();
  } catch (error) {
    return refuse(option, path, error, problem);
  }
}

function refuse(option: string, path: string, error: unknown, problem?: string): never {
  const reason = messageOf(error);
  const message = problem === undefined ? reason : `${problem} (${reason})`;
  throw new TypeError(`${option}: ${path}: ${message}`, { cause: error });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
