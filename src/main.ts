#!/usr/bin/env node
import { resolve } from 'node:path';
import { createApiKey } from './access/api-keys.ts';
import { type App, type AppOptions, createApp, createWorkerApp, renewStore } from './app/app.ts';
import { createMetricsServer } from './app/meter.ts';
import type { Started } from './app/started.ts';
import { systemClock } from './clock.ts';
import { type Config, loadConfig } from './config/config.ts';
import { ConfigError } from './config/config-error.ts';
import { readNewApiKey } from './config/flags.ts';
import { helpText } from './config/help.ts';
import type { OptionValues } from './config/table.ts';
import { codeOf } from './config/words.ts';
import type { DeltaFormatter } from './delta/format.ts';
import { DataDirectoryError, RedisStoreError } from './errors.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { figuresOfWorkers } from './observability/prometheus.ts';
import { packageVersion } from './version.ts';
import { Primary, WorkerFailure } from './workers/primary.ts';
import { onStopAsked, tellStarted, workerNumber } from './workers/worker.ts';

/* The command, and the exit codes that it ends with. */
const asAsked = 0;
const failed = 1;
/** It was started with something that cannot be used. */
const unusable = 2;

/** How long stopping may take on top of what the options give it. A worker gives up before its primary does. */
const stopMarginMs = 5_000;
const primaryStopMarginMs = 7_000;
/** How long a worker may take to start, on top of waiting for Redis. */
const workerStartMarginMs = 60_000;
/** A signal that comes so soon after the first is the same wish said twice. */
const sameWishMs = 500;

await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(helpText());
    return;
  }
  if (argv.includes('--version') || argv.includes('-v')) {
    process.stdout.write(`${packageVersion()}\n`);
    return;
  }
  if (printNewApiKey(argv)) return;
  const flags = argv.filter((argument) => argument !== '--renew-identity');
  const config = await loadConfig<DeltaFormatter>({ argv: flags, env: process.env, cwd: process.cwd() }).catch(refuse);
  if (argv.includes('--renew-identity')) {
    process.stdout.write(`${await renewStore(config).catch(refuse)}\n`);
    return;
  }
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const worker = workerNumber();
  const ownLogger = worker === undefined ? logger : logger.child({ worker });
  exitOnSurprise(ownLogger);
  await serve(config, ownLogger, worker);
}

/** The key to the standard error, for whom it is; its entry, which is no secret, where it can be put into a file. */
function printNewApiKey(argv: readonly string[]): boolean {
  const id = attempt(() => readNewApiKey(argv));
  if (id === undefined) return false;
  const { key, entry } = createApiKey(id);
  process.stderr.write(
    `The key, which is shown only now:\n${key}\nIts entry for the array in the file of apiKeysFile:\n`,
  );
  process.stdout.write(`${JSON.stringify(entry)}\n`);
  return true;
}

/** @param worker of which number this process is one; undefined: it serves alone, or is the primary of its workers. */
async function serve(config: Config<DeltaFormatter>, logger: Logger, worker: number | undefined): Promise<void> {
  const isPrimary = config.workers > 1 && worker === undefined;
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    return app.stop();
  };
  const marginMs = isPrimary ? primaryStopMarginMs : stopMarginMs;
  const patienceMs = config.drainDelayMs + config.drainTimeoutMs + marginMs;
  const onGivenUp = () => endAfter(stop(), { exitCode: failed, logger, patienceMs });
  const app = isPrimary ? lead(config, logger, onGivenUp) : build(config, logger, worker);
  stopOnSignal(stop, logger, patienceMs);
  try {
    const started = await app.start();
    if (isStopping) return;
    if (worker === undefined) announce(started, config, logger);
    else tellStarted(started);
  } catch (error) {
    // The stop has cut the start short, and ends the process.
    if (isStopping) return;
    if (error instanceof RedisStoreError || error instanceof ConfigError) refuse(error);
    // A worker that ended by itself has said why.
    if (error instanceof WorkerFailure && error.exitCode) process.exit(error.exitCode);
    if (error instanceof WorkerFailure) fail(error.message, failed);
    fail(startProblem(error, config) ?? (error instanceof Error && error.stack ? error.stack : String(error)), failed);
  }
}

function announce({ url, isReady }: Started, config: Config<DeltaFormatter>, logger: Logger): void {
  const endpoint = new URL('/graphql', url).href;
  const { backend, configFile, workers } = config;
  const state = isReady ? 'ready' : 'listening';
  logger.info(config.graphiql ? `${state}, GraphiQL is at ${endpoint}` : `${state} at ${endpoint}`, {
    backend,
    ...(backend === 'lmdb' ? { dataDir: resolve(config.dataDir) } : {}),
    ...(workers > 1 ? { workers } : {}),
    configFile,
  });
}

function lead(config: Config<DeltaFormatter>, logger: Logger, onGivenUp: () => void): Primary {
  const { workers: count, metricsPort, redisTimeoutMs, workerTimeoutMs } = config;
  const heard = () => primary.heard();
  const metrics =
    metricsPort === null
      ? undefined
      : createMetricsServer({ ...config, metricsPort, figures: figuresOfWorkers(heard), logger });
  const startTimeoutMs = redisTimeoutMs + workerStartMarginMs;
  const primary = new Primary({ count, logger, metrics, startTimeoutMs, workerTimeoutMs, onGivenUp });
  return primary;
}

function build(config: Config<DeltaFormatter>, logger: Logger, worker: number | undefined): App {
  const {
    configFile: _configFile,
    workers: _workers,
    inTheirWords,
    deltaFormatter,
    timeProvider,
    authenticate,
    exporter,
    provider,
    ...options
  } = config;
  try {
    return (worker === undefined ? createApp : createWorkerApp)({
      ...options,
      logger,
      // A name, or an object that was seen to have the method; more cannot be known before it is called.
      exporter: exporter as AppOptions['exporter'],
      provider: provider as AppOptions['provider'],
      // A function, and more cannot be known before it is called.
      authenticate: authenticate as AppOptions['authenticate'],
      ...(deltaFormatter === undefined ? {} : { deltaFormatter }),
      ...(timeProvider === undefined ? {} : { clock: { ...systemClock, now: timeProvider } }),
    });
  } catch (error) {
    // What a part refuses begins with the name of its option.
    if (error instanceof ConfigError) fail(inTheirWords(error.message), unusable);
    return refuse(error);
  }
}

/**
 * The first SIGTERM or SIGINT stops the app in bounded time, a second one ends the process at once.
 *
 * The terminal sends Ctrl-C to everybody in the foreground, and `npm start` passes its own on, so a second one counts
 * only after `sameWishMs`.
 */
function stopOnSignal(stop: () => Promise<void>, logger: Logger, patienceMs: number): void {
  let firstAtMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAtMs !== undefined) {
      if (performance.now() - firstAtMs < sameWishMs) return;
      logger.warn('stopped at once, by a second signal', { signal });
      process.exit(failed);
    }
    firstAtMs = performance.now();
    logger.info('stopping', { signal });
    endAfter(stop(), { exitCode: asAsked, logger, patienceMs });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // No second signal: a terminal has sent its own to both.
  onStopAsked(() => {
    if (firstAtMs === undefined) onSignal('SIGTERM');
  });
}

/** How a process ends. */
interface Ending {
  /** When all went well. */
  readonly exitCode: number;
  readonly logger: Logger;
  readonly patienceMs: number;
}

function endAfter(stopped: Promise<void>, { exitCode, logger, patienceMs }: Ending): void {
  setTimeout(() => {
    logger.error('stopping took too long, gave up', { patienceMs });
    process.exit(failed);
  }, patienceMs);
  stopped.then(
    () => {
      logger.info('stopped');
      process.exit(exitCode);
    },
    (error: unknown) => {
      logger.error('stopping failed', { error });
      process.exit(failed);
    },
  );
}

/** Whatever nobody expected leaves the process in a state that nobody can vouch for: say so once, and end. */
function exitOnSurprise(logger: Logger): void {
  const onSurprise = (error: unknown) => {
    logger.error('unexpected error, the process ends', { error });
    process.exit(failed);
  };
  process.on('uncaughtException', onSurprise);
  process.on('unhandledRejection', onSurprise);
}

/** Why the address cannot be used and what to do about it; undefined when the start failed for another reason. */
function startProblem(error: unknown, { host, port }: OptionValues): string | undefined {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is in use. Stop what uses it, or choose another by --port or CHORD_PORT (0: any free one).`;
    case 'EACCES':
      return `Port ${port} of ${host} is not allowed to this user. Choose one above 1023 by --port or CHORD_PORT.`;
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine. Choose one that is by --host or CHORD_HOST (0.0.0.0: all).`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host ${host} has no address. Choose one that can be resolved by --host or CHORD_HOST.`;
    default:
      return undefined;
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return refuse(error);
  }
}

function refuse(error: unknown): never {
  if (error instanceof ConfigError || error instanceof DataDirectoryError || error instanceof RedisStoreError) {
    return fail(error.message, unusable);
  }
  throw error;
}

function fail(message: string, exitCode: number): never {
  process.stderr.write(`chord: ${message}\n`);
  process.exit(exitCode);
}
