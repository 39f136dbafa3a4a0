import { describe, expect, test } from 'vitest';
import { crowdPart } from '../../bench/fanout/crowd-part.ts';
import { deliveryPart } from '../../bench/fanout/delivery-part.ts';
import { measure } from '../../bench/http.ts';
import type { Options } from '../../bench/load/options.ts';
import { Server } from '../../bench/load/server.ts';
import { bare, chordSources } from '../../bench/servers.ts';

const options: Options = {
  rounds: 1,
  ms: 50,
  subscribers: undefined,
  only: undefined,
  servers: undefined,
  pin: false,
};
const fanout = { contexts: 1, subscribers: 8, bytes: 200, transport: 'WebSocket', selected: ['Changes'] } as const;

/** Chord from its sources, beside the only rival that needs not be installed. */
describe('the benchmarks run, small, and everybody converges', () => {
  test('fan-out of several selections and contexts over WebSocket', async () => {
    const part = deliveryPart({
      ...fanout,
      contexts: 3,
      selected: ['Changes', 'JsonPatch', 'MergePatch', 'Everything'],
    });
    const lines = (await part(options, [bare, chordSources])).split('\n');
    expect(lines[0]).toBe('3 contexts, 8 subscribers each, 200 bytes, 4 selections, WebSocket');
    expect(lines.slice(4)).toEqual([
      expect.stringMatching(/^\| bare \| \d+ \(.* 1\.00 \(/),
      expect.stringMatching(/^\| Chord \| \d+ \(/),
    ]);
  });

  test('fan-out over server-sent events, of those who have them', async () => {
    const table = await deliveryPart({ ...fanout, transport: 'SSE' })(options, [bare, chordSources]);
    expect(table).toMatch(/\| Chord \| \d+ \(/);
    expect(table).not.toContain('| bare |');
  });

  test('a crowd that is cut off and comes back', async () => {
    const table = await crowdPart(fanout)(options, [chordSources]);
    expect(table).toMatch(/\| all current again, ms \| \d+ \(/);
    expect(table).not.toContain('NaN');
  });

  test('a query and a mutation over HTTP', async () => {
    const servers = await Promise.all([bare, chordSources].map((side) => Server.start(side)));
    for (const part of ['context', 'updateContext']) {
      expect(await measure(part, servers, options)).toMatch(/\| bare \| \d+ \(.*\n\| Chord \| \d+ \(/);
    }
    await Promise.all(servers.map((server) => server.stop()));
  });
});
