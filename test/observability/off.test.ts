import { Registry } from 'prom-client';
import { afterEach, expect, test, vi } from 'vitest';
import { createApp } from '../../src/app/app.ts';
import { createChord } from '../../src/chord.ts';
import { RecordingLogger } from '../support/app.ts';

afterEach(() => vi.restoreAllMocks());

/** How many metrics are made meanwhile, whoever does it. */
function watchRegistries() {
  return vi.spyOn(Registry.prototype, 'registerMetric');
}

test('the library makes no metrics', async () => {
  const made = watchRegistries();
  await using chord = createChord();
  await chord.setContext('c', { n: 1 });
  await chord.follow('c').next();
  expect(made).not.toHaveBeenCalled();
});

test('neither does a server without metricsPort, and one with it makes its own', async () => {
  const made = watchRegistries();
  const options = { port: 0, backend: 'memory', logger: new RecordingLogger(), drainTimeoutMs: 0 } as const;
  await using plain = createApp(options);
  await plain.start();
  expect(made).not.toHaveBeenCalled();
  await using first = createApp({ ...options, metricsPort: 0 });
  await using second = createApp({ ...options, metricsPort: 0 });
  const urls = [await first.start(), await second.start()].map(({ metricsUrl = '' }) => metricsUrl);
  await first.chord.setContext('c', { n: 1 });
  const [one, other] = await Promise.all(urls.map(async (url) => (await fetch(url)).text()));
  expect(one).toContain('chord_writes_total{verb="set",outcome="done"} 1');
  expect(other).toContain('chord_writes_total{verb="set",outcome="done"} 0');
});
