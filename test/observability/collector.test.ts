import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { expect, test } from 'vitest';
import { CollectorWatch } from '../../src/observability/collector.ts';
import { RecordingLogger } from '../support/app.ts';
import { Collector } from './collector.ts';

/** An exporter with its collector, and the lines that are logged. */
async function open() {
  const collector = await Collector.open();
  const logger = new RecordingLogger();
  const clock = { nowMs: 0 };
  const exporter = new OTLPTraceExporter({ url: `${collector.url}/v1/traces` });
  const watch = new CollectorWatch({ exporter, logger, nowMs: () => clock.nowMs });
  /** Answers what the collector answers with this status. */
  const send = async (status: number) => {
    collector.status = status;
    const result = await new Promise<{ readonly code: number }>((resolve) => watch.export([], resolve));
    return result.code;
  };
  const lines = () => logger.lines.splice(0).map(({ level, message }) => `${level}: ${message}`);
  return { collector, clock, watch, logger, lines, send };
}

const failing = 'warn: traces cannot be sent to otlpEndpoint';
const working = 'info: traces are sent again';

test('an outage is one line, and its end another', async () => {
  const { collector, send, lines } = await open();
  await using _ = collector;
  expect([await send(200), await send(400), await send(400), await send(401)]).toEqual([0, 1, 1, 1]);
  expect(lines()).toEqual([failing]);
  expect([await send(200), await send(200)]).toEqual([0, 0]);
  expect(lines()).toEqual([working]);
});

test('a collector that comes and goes is spoken of once a minute', async () => {
  const { collector, send, lines, clock } = await open();
  await using _ = collector;
  for (let turn = 0; turn < 20; turn++) for (const status of [400, 200]) await send(status);
  expect(lines()).toEqual([failing, working]);
  clock.nowMs = 60_000;
  await send(400);
  expect(lines()).toEqual([failing]);
});

test('what is not answered before the end is said, unless it was', async () => {
  const { collector, send, lines, watch } = await open();
  await using _ = collector;
  watch.giveUp();
  expect(lines()).toEqual([failing]);
  await send(400);
  watch.giveUp();
  expect(lines()).toEqual([]);
});

test('what the collector answers is not in the log', async () => {
  const { collector, send, logger } = await open();
  await using _ = collector;
  await send(400);
  expect(logger.lines[0]?.fields['error']).toMatchObject({ message: 'Bad Request', code: 400 });
});
