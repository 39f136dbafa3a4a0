import { expect, test } from 'vitest';
import { Facts } from '../../examples/replay/facts.ts';
import { type ContextEvent, type Copy, follow, type Position } from '../../examples/replay/follower.ts';
import { type TransportName, transports } from '../../examples/replay/transports.ts';
import { createApp } from '../../src/app/app.ts';
import { SetContextDocument, UpdateContextDocument } from '../../src/client/generated/graphql.ts';
import { silentLogger } from '../../src/observability/logger.ts';

const fields = Array.from({ length: 200 }, (_, index) => `field ${index}`);

test.for(Object.keys(transports) as TransportName[])(
  'of 200 writes racing over HTTP none is lost, and a follower over %s sees each once',
  async (transport) => {
    const app = createApp({
      port: 0,
      backend: 'memory',
      logger: silentLogger,
      deltaThreshold: 1_000,
      drainTimeoutMs: 0,
    });
    const { url } = await app.start();
    try {
      await post(url, SetContextDocument, { id: 'race', state: {} });
      const follower = followTo(201, { url, transport });
      await follower.first;
      const writes = fields.map((field) => post(url, UpdateContextDocument, { id: 'race', changes: { [field]: 1 } }));
      const versions = (await Promise.all(writes)).map(({ data }) => data.updateContext.version);
      const { copy, events } = await follower.last;

      expect(versions.toSorted((a, b) => a - b)).toEqual(fields.map((_, index) => index + 2));
      expect(copy.state).toEqual(Object.fromEntries(fields.map((field) => [field, 1])));
      expect(events[0]).toMatchObject({ __typename: 'FullContext', reason: 'NO_POSITION', version: 1 });
      const deltas = events.slice(1).filter((event) => event.__typename === 'Delta');
      expect(deltas).toHaveLength(events.length - 1);
      expect(deltas.flatMap(({ changes }) => changes)).toHaveLength(200);
    } finally {
      await app.stop();
    }
  },
);

interface Seen {
  readonly copy: Copy;
  readonly events: readonly ContextEvent[];
}

/** Follows until a version; `follow` refuses whatever is not contiguous. */
function followTo(version: number, { url, transport }: { url: string; transport: TransportName }) {
  const events: ContextEvent[] = [];
  let copy: Copy | undefined;
  const first = new Facts();
  const last = new Promise<Seen>((resolve, reject) => {
    const connection = transports[transport](url, {
      contextId: 'race',
      connecting: (): Position | undefined => copy,
      take: (event) => {
        try {
          copy = follow(copy, event);
          events.push(event);
          first.notify();
          if (copy?.version !== version) return;
          resolve({ copy, events });
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        connection.close();
      },
      fail: reject,
      networkIsBack: () => Promise.resolve(),
    });
  });
  return { first: Promise.race([first.until(() => events.length > 0), last]), last };
}

interface Written {
  readonly data: { readonly updateContext: { readonly version: number } };
}

async function post(url: string, document: unknown, variables: object): Promise<Written> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: String(document), variables }),
  });
  return (await response.json()) as Written;
}
