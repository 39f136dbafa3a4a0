import { describe, expect, test } from 'vitest';
import { createLogger, type LogFormat, type LogLevel, silentLogger } from '../../src/observability/logger.ts';

/** A logger and the lines it has written. */
function capture(options: { level?: LogLevel; format?: LogFormat; isTTY?: boolean } = {}) {
  const lines: string[] = [];
  const stream = { isTTY: options.isTTY ?? false, write: (line: string) => lines.push(line) };
  const logger = createLogger({ level: options.level ?? 'info', format: options.format ?? 'json', stream });
  return { logger, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('JSON', () => {
  test('an event is one line with level, time, message and fields', () => {
    const { logger, lines, parsed } = capture();
    logger.info('cleanup finished', { expired: 3, nested: { text: 'two\nlines' } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{.*\}\n$/);
    expect(parsed()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        message: 'cleanup finished',
        expired: 3,
        nested: { text: 'two\nlines' },
      },
    ]);
  });

  test('an error keeps its name, message, code, stack and cause, and nothing else', () => {
    const { logger, parsed } = capture();
    const error = Object.assign(new TypeError('boom', { cause: new Error('deeper') }), {
      code: 'E_BOOM',
      token: 'secret',
    });
    logger.error('request failed', { error });
    expect(parsed()[0]?.['error']).toEqual({
      name: 'TypeError',
      message: 'boom',
      code: 'E_BOOM',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { name: 'Error', message: 'deeper', stack: expect.stringContaining('logger.test.ts') },
    });
  });

  test('an error that is its own cause ends', () => {
    const { logger, lines } = capture();
    const error = new Error('circle');
    error.cause = error;
    logger.error('request failed', { error });
    expect(lines).toHaveLength(1);
  });

  test('what was thrown and is no error is kept as it is', () => {
    const { logger, parsed } = capture();
    logger.warn('odd', { error: 'just text' });
    expect(parsed()[0]).toMatchObject({ level: 'warn', error: 'just text' });
  });

  test('a field that refers to itself is written all the same', () => {
    const { logger, lines } = capture();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    logger.info('round', { circle });
    expect(lines).toHaveLength(1);
  });
});

test('a child adds its fields to those of its parent', () => {
  const { logger, parsed } = capture();
  logger.child({ connection: 7 }).child({ contextId: 'room:1' }).info('opened', { protocol: 'ws' });
  expect(parsed()[0]).toMatchObject({ connection: 7, contextId: 'room:1', protocol: 'ws', message: 'opened' });
});

test.each([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
  ['silent', []],
] as const)('level %s lets through %j', (level, expected) => {
  const { logger, parsed } = capture({ level });
  logger.debug('line');
  logger.info('line');
  logger.warn('line');
  logger.error('line');
  expect(parsed().map((line) => line['level'])).toEqual(expected);
});

describe('the format', () => {
  test('auto is pretty on a terminal and JSON elsewhere', () => {
    const terminal = capture({ format: 'auto', isTTY: true });
    terminal.logger.info('hello');
    expect(terminal.lines[0]).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: hello\n$/);

    const pipe = capture({ format: 'auto' });
    pipe.logger.info('hello');
    expect(pipe.parsed()[0]).toMatchObject({ message: 'hello' });
  });

  test('json and pretty are taken at their word', () => {
    const json = capture({ format: 'json', isTTY: true });
    json.logger.info('hello');
    expect(json.parsed()[0]).toMatchObject({ message: 'hello' });

    const pretty = capture({ format: 'pretty' });
    pretty.logger.info('hello');
    expect(pretty.lines[0]).toContain('INFO: hello');
  });

  test('a pretty line shows the fields, the error with its stack, and has been written when the call returns', () => {
    const { logger, lines } = capture({ format: 'pretty' });
    logger.error('request failed', { error: new RangeError('too far'), attempt: 2 });
    const output = lines.join('');
    expect(output).toContain('ERROR: request failed {"attempt":2}');
    expect(output).toContain('RangeError: too far');
    expect(output).toContain('logger.test.ts');
  });
});

test('the silent logger and its children say nothing', () => {
  expect(silentLogger.child({ a: 1 })).toBe(silentLogger);
  for (const level of ['debug', 'info', 'warn', 'error'] as const) expect(silentLogger[level]('x')).toBeUndefined();
});
