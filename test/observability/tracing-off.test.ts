import { once } from 'node:events';
import { expect, test } from 'vitest';
import { post } from '../support/app.ts';
import { ForkedServer } from '../support/forked-server.ts';
import { eventStreamTransport, followOperation, nextEvent, webSocketTransport } from '../support/transports.ts';
import { soon } from '../support/wait.ts';
import { Collector } from './collector.ts';

/** What the child says: the packages of OpenTelemetry that it has loaded, and how often it has begun to follow work. */
interface Loaded {
  readonly packages: readonly string[];
  readonly runs: number;
}

/** What a server has loaded after it has served over every transport. */
async function serve(options: object): Promise<Loaded> {
  const server = await ForkedServer.start(new URL('modules-child.ts', import.meta.url), { options });
  const url = new URL('/graphql', server.url).href;
  const urls = { url, webSocketUrl: url.replace('http', 'ws') };
  await post(url, { query: 'mutation { setContext(id: "c", state: {}) { __typename } }' });
  for (const transport of [webSocketTransport, eventStreamTransport]) {
    const subscription = transport.subscribe(urls, followOperation('c'));
    await nextEvent(subscription);
    subscription.leave();
  }
  server.process.send('modules');
  const [answer] = await soon('the modules', once(server.process, 'message'));
  await soon('the end', once(server.process, 'exit'));
  // The child is ours.
  return answer as Loaded;
}

test('without an endpoint nothing of OpenTelemetry is loaded, and nothing is followed through promises', async () => {
  // The interfaces, which prom-client loads for itself.
  expect(await serve({ metricsPort: 0 })).toEqual({ packages: ['api'], runs: 0 });
});

test('with one it is', async () => {
  await using collector = await Collector.open();
  const { packages, runs } = await serve({ otlpEndpoint: collector.url });
  expect(packages).toEqual(expect.arrayContaining(['sdk-trace', 'exporter-trace-otlp-proto', 'resources']));
  expect(runs).toBeGreaterThan(3);
});
