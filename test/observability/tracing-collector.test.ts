import { afterEach, describe, expect, test, vi } from 'vitest';
import { startApp, stopApp, stopApps } from '../support/app.ts';
import { rejectionOf } from '../support/chord.ts';
import { Collector } from './collector.ts';
import { ask, noteIt, notTraced, post, remote, sent, traceId } from './tracing-stage.ts';

afterEach(async () => {
  vi.unstubAllEnvs();
  await stopApps();
});

describe('which requests are traced', () => {
  test.each([
    ['those that the client traces', 0, remote, 1],
    ['not those that the client does not trace', 1, notTraced, 0],
    ['all of those that do not say, by default', 1, {}, 1],
    ['none of those that do not say, when none are asked for', 0, {}, 0],
  ])('%s', async (_, traceSampleRatio, headers, count) => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: collector.url, traceSampleRatio });
    await post(server.url, noteIt, headers);
    await ask(server, { query: noteIt, extensions: headers });
    await fetch(new URL('/live', server.url));
    await sent(server, collector);
    expect(collector.named('POST /graphql')).toHaveLength(count);
    expect(collector.named('WebSocket /graphql')).toHaveLength(count);
    // Those, with what is below them, and nothing else.
    expect(collector.spans).toHaveLength(count * 8);
  });

  test.each([
    '',
    'nonsense',
    `00-${traceId}-00f067aa0ba902b7`,
    `00-${traceId.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-00f067aa0ba902b7-01-more`,
    `ff-${traceId}-00f067aa0ba902b7-01`,
    `cc-${traceId}-00f067aa0ba902b7-01-${'x'.repeat(1_000)}`,
    { toString: 'no text' },
    7,
  ])('a traceparent that is none begins another trace: %j', async (traceparent) => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: collector.url });
    await ask(server, { query: noteIt, extensions: { traceparent, tracestate: 7 } });
    await sent(server, collector);
    expect(collector.one('WebSocket /graphql')).toMatchObject({
      traceId: expect.not.stringMatching(traceId),
      parentSpanId: '',
      traceState: '',
    });
  });

  test('a later version of traceparent is understood as far as it is known', async () => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: collector.url });
    await post(server.url, noteIt, { traceparent: `cc-${traceId}-00f067aa0ba902b7-01-more` });
    await sent(server, collector);
    expect(collector.one('POST /graphql')).toMatchObject({ traceId, parentSpanId: '00f067aa0ba902b7' });
  });
});

describe('the collector', () => {
  test('that is away costs one line of the log, and neither requests nor the stop wait for it', async () => {
    const collector = await Collector.open();
    const { url } = collector;
    await collector[Symbol.asyncDispose]();
    const server = await startApp({ otlpEndpoint: url });
    // Several batches, each of which is tried.
    for (let turn = 0; turn < 300; turn++) await post(server.url, noteIt);
    await stopApp(server.app);
    const lines = server.logger.lines.filter(({ message }) => message.startsWith('traces'));
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'warn: traces cannot be sent to otlpEndpoint',
    ]);
  }, 60_000);

  test('is sent what the variables of the specification say', async () => {
    await using collector = await Collector.open();
    vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'api-key=for-the-collector');
    vi.stubEnv('OTEL_SERVICE_NAME', 'our-chord');
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=test');
    // Which the packages read where they are told nothing, and are told something here.
    vi.stubEnv('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'http://127.0.0.1:1/nowhere');
    const server = await startApp({ otlpEndpoint: collector.url });
    await post(server.url, noteIt);
    await sent(server, collector);
    expect(collector.headers).toMatchObject({ 'api-key': 'for-the-collector' });
    expect(collector.one('POST /graphql').resource).toMatchObject({
      'service.name': 'our-chord',
      'service.version': expect.any(String),
      'service.instance.id': expect.any(String),
      'deployment.environment.name': 'test',
    });
  });

  test('is named by a URL alone', async () => {
    const error = await rejectionOf(startApp({ otlpEndpoint: 'collector:4318' }));
    expect(String(error)).toContain('otlpEndpoint is not shown; expected a URL with http or https');
  });

  test('may be under a path', async () => {
    await using collector = await Collector.open();
    const server = await startApp({ otlpEndpoint: `${collector.url}/otlp/` });
    await post(server.url, noteIt);
    await sent(server, collector);
    expect(collector.paths).toEqual(['/otlp/v1/traces']);
  });
});
