/*
 * Private Redis servers for tests: each a process of ours on 127.0.0.1, in a new directory, on a port that was free.
 * A server counts as started only when the one that answers has the process id of the one we started: whatever else
 * runs on this machine is never touched, also not the service on port 6379 that installing the package may start.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { needProgram } from '../programs.ts';
import { soon, until } from '../wait.ts';
import { type Certificate, createCertificate } from './certificate.ts';
import { Guard } from './guard.ts';
import { freePorts } from './ports.ts';

/** How to start a server. */
export interface RedisOptions {
  /** As on the command line: `['--maxmemory', '10mb']`. They win over what is set here. */
  readonly args?: readonly string[];
  /** Whether it finds its data again after `restart`. */
  readonly appendOnly?: boolean;
  /** Instead of a free one. */
  readonly port?: number;
  /** With a certificate that is signed by itself: `server.certificate`. */
  readonly tls?: boolean;
  /** Of the user `default`. */
  readonly password?: string;
}

/** What a Redis in a certain role is started with, beside what all have. */
export interface RoleOptions extends RedisOptions {
  /** Lines of its configuration file, which it may rewrite. */
  readonly role?: (port: number, busPort: number) => readonly string[];
  readonly isSentinel?: boolean;
}

/** Starts a Redis that nobody else knows of. It ends when it is stopped, or with this process. */
export async function startRedis(options: RoleOptions = {}): Promise<RedisServer> {
  const program = await needProgram(['redis-server', 'valkey-server'], 'redis-server');
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await launch(program, options);
    } catch (error) {
      // Somebody was quicker at a port that was free.
      if (options.port !== undefined || attempt === 5 || !/Address already in use/.test(String(error))) throw error;
    }
  }
}

async function launch(program: string, options: RoleOptions): Promise<RedisServer> {
  const [port = 0, busPort = 0] = options.port === undefined ? await freePorts(2) : [options.port];
  const guard = await Guard.start();
  try {
    const certificate = options.tls === true ? await createCertificate(guard.directory) : undefined;
    await writeFile(join(guard.directory, 'redis.conf'), configuration(options, { port, busPort, certificate }));
    const server = new RedisServer(program, guard, { ...options, port, certificate });
    await server.start();
    return server;
  } catch (error) {
    await guard.end();
    throw error;
  }
}

interface Place {
  readonly port: number;
  readonly busPort: number;
  readonly certificate: Certificate | undefined;
}

function configuration({ appendOnly, password, role }: RoleOptions, { port, busPort, certificate }: Place): string {
  const listen =
    certificate === undefined
      ? [`port ${port}`]
      : [
          'port 0',
          `tls-port ${port}`,
          `tls-cert-file ${certificate.certPath}`,
          `tls-key-file ${certificate.keyPath}`,
          `tls-ca-cert-file ${certificate.certPath}`,
          'tls-auth-clients no',
        ];
  const lines = [
    'bind 127.0.0.1',
    ...listen,
    'save ""',
    `appendonly ${appendOnly === true ? 'yes' : 'no'}`,
    // A replica is served at once, not after waiting 5 s for others.
    'repl-diskless-sync-delay 0',
    ...(password === undefined ? [] : [`requirepass ${quoted(password)}`, `masterauth ${quoted(password)}`]),
    ...(role?.(port, busPort) ?? []),
  ];
  return `${lines.join('\n')}\n`;
}

/** A word of a configuration file. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** A Redis of ours: what it can be asked, and what can be done to it. */
export class RedisServer {
  readonly port: number;
  readonly password: string | undefined;
  readonly certificate: Certificate | undefined;
  readonly #command: readonly [program: string, ...args: string[]];
  readonly #guard: Guard;
  #process: ChildProcess | undefined;
  #isPaused = false;

  constructor(
    program: string,
    guard: Guard,
    options: RoleOptions & { readonly port: number; readonly certificate: Certificate | undefined },
  ) {
    this.port = options.port;
    this.password = options.password;
    this.certificate = options.certificate;
    const mode = options.isSentinel === true ? ['--sentinel'] : [];
    this.#command = [program, join(guard.directory, 'redis.conf'), ...mode, ...(options.args ?? [])];
    this.#guard = guard;
  }

  /** `redis://…`, or `rediss://…` with TLS; with the password. */
  get url(): string {
    const user = this.password === undefined ? '' : `:${encodeURIComponent(this.password)}@`;
    return `redis${this.certificate === undefined ? '' : 's'}://${user}127.0.0.1:${this.port}`;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Where its files are. */
  get directory(): string {
    return this.#guard.directory;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#process?.pid : undefined;
  }

  /** Also while it is paused. */
  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /**
   * Starts it again after `kill`, on the same port, with the same files. Resolves when it answers.
   *
   * @param more arguments, this time.
   */
  async start(more: readonly string[] = []): Promise<void> {
    if (this.isRunning) throw new TypeError(`The Redis at ${this.address} runs.`);
    const [program, ...args] = this.#command;
    // Also what is wrong with its settings, which it says before it opens a log of its own.
    const log = await open(this.#logPath, 'a');
    const child = spawn(program, [...args, ...more], { cwd: this.directory, stdio: ['ignore', log.fd, log.fd] });
    this.#guard.holds(child.pid);
    this.#process = child;
    this.#isPaused = false;
    child.once('exit', () => this.#guard.holds(undefined));
    try {
      await once(child, 'spawn');
    } finally {
      await log.close();
    }
    await until(`the Redis at ${this.address}`, async () => !this.isRunning || (await this.#answers()));
    if (!this.isRunning) throw new Error(`The Redis at ${this.address} ended:\n${await this.log()}`);
  }

  /** Whether it serves. Another may answer at its port while it finds out that the port is taken. */
  async #answers(): Promise<boolean> {
    try {
      const isOurs = (await this.info('server')).get('process_id') === String(this.pid);
      return isOurs && (await this.cli('PING')) === 'PONG';
    } catch {
      return false;
    }
  }

  /** Ends it for good and removes its files. */
  async stop(): Promise<void> {
    await this.kill();
    await this.#guard.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** As when the power fails, except that what it wrote to files is there. Resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Ends it as an administrator does, if it runs, and starts it again. */
  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    await this.start();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.isRunning) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    // A paused process hears SIGTERM when it goes on.
    this.resume();
    await soon(`the end of the Redis at ${this.address}`, exit);
  }

  /** It keeps its connections and answers nobody, as on a machine that hangs, until `resume`. */
  pause(): void {
    this.#isPaused = this.#process?.kill('SIGSTOP') === true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#process?.kill('SIGCONT');
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Sends one command over a connection of its own. Fails after 10 s, or when the connection is cut. */
  async cli(name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    const redis = new Redis({
      host: '127.0.0.1',
      port: this.port,
      ...(this.password === undefined ? {} : { password: this.password }),
      ...(this.certificate === undefined ? {} : { tls: { ca: this.certificate.pem } }),
      lazyConnect: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      disableClientInfo: true,
      connectTimeout: 10_000,
      commandTimeout: 10_000,
    });
    // The call fails with it.
    redis.on('error', () => undefined);
    try {
      return await redis.call(name, ...args);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new Error(`${name} at ${this.address} failed: ${words}`, { cause: error });
    } finally {
      redis.disconnect();
    }
  }

  /** A section of INFO, or all: names and values. */
  async info(section = 'default'): Promise<ReadonlyMap<string, string>> {
    const text = String(await this.cli('INFO', section));
    return new Map(
      text.split('\r\n').flatMap((line) => {
        const colon = line.indexOf(':');
        return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
      }),
    );
  }

  get #logPath(): string {
    return join(this.directory, 'redis.log');
  }

  /** What it has logged. */
  log(): Promise<string> {
    return readFile(this.#logPath, 'utf8').catch(() => '');
  }
}
