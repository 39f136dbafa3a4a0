import {
  type DestinationStream,
  destination,
  type LoggerOptions,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from 'pino';
import { prettyFactory } from 'pino-pretty';

/** How much is logged; a level includes the ones to its right. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** One JSON object per line, or lines for people; `auto` is pretty on a terminal and JSON elsewhere. */
export type LogFormat = 'auto' | 'json' | 'pretty';

/**
 * Structured logging: one event per fact, its particulars in fields. An error belongs in the field `error`, where its
 * name, message, code, stack and cause are kept. Fields named `level`, `time` or `message` would be lost.
 */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger that adds these fields to every line. */
  child(fields: Record<string, unknown>): Logger;
}

/** Where lines go. Called once per line, which ends with a line feed. */
export interface LogStream {
  readonly isTTY?: boolean;
  /** Absent: no colours. */
  hasColors?(): boolean;
  write(line: string): unknown;
}

/**
 * A logger that has written a line when the call returns, so that nothing is lost when the process exits.
 *
 * @param options.stream default: the standard output.
 */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly stream?: LogStream;
}): Logger {
  const output = options.stream ?? standardOutput();
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && output.isTTY === true);
  return fromPino(pino(pinoOptions(options.level), isPretty ? prettified(output) : output));
}

/** Logs nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function pinoOptions(level: LogLevel): LoggerOptions {
  return {
    level,
    // Neither process id nor host name: whoever collects the lines knows where they come from.
    base: null,
    messageKey: 'message',
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: (error: unknown) => serializeError(error) },
  };
}

function fromPino(target: PinoLogger): Logger {
  return {
    debug: (message, fields) => target.debug(fields ?? {}, message),
    info: (message, fields) => target.info(fields ?? {}, message),
    warn: (message, fields) => target.warn(fields ?? {}, message),
    error: (message, fields) => target.error(fields ?? {}, message),
    child: (fields) => fromPino(target.child(fields)),
  };
}

/** Only these: an error may carry states or tokens in fields of its own. At most five causes: they may be a circle. */
function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  return {
    name: error.name,
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    stack: error.stack,
    ...(error.cause === undefined || depth === 5 ? {} : { cause: serializeError(error.cause, depth + 1) }),
  };
}

function standardOutput(): LogStream {
  const stream = destination({ fd: 1, sync: true });
  return {
    isTTY: process.stdout.isTTY,
    // Also false when NO_COLOR is set. Undefined on a pipe or file, whatever its type says.
    hasColors: () => process.stdout.isTTY && process.stdout.hasColors(),
    write: (line) => stream.write(line),
  };
}

/** pino-pretty as a function, not as its own stream, which would hold the last lines back when the process exits. */
function prettified(output: LogStream): DestinationStream {
  const prettify = prettyFactory({
    colorize: output.hasColors?.() === true,
    translateTime: 'SYS:HH:MM:ss.l',
    messageKey: 'message',
    errorLikeObjectKeys: ['error'],
    singleLine: true,
  });
  return { write: (line) => void output.write(prettify(line)) };
}
