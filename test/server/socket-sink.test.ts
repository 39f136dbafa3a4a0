import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import type { ContextEvent } from '../../src/model.ts';
import type { SharedResult } from '../../src/server/fanout/groups.ts';
import { type FrameTarget, SocketSink } from '../../src/server/websocket/socket-sink.ts';
import { until } from '../support/wait.ts';

/** Notes what is written at once. */
class Wire extends Duplex {
  readonly writes: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(chunk);
    done();
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }
}

const event: ContextEvent = { kind: 'noContext', contextId: 'c', epoch: '-', version: 0 };
const short: SharedResult = { json: '{"data":1}' };
/** Beyond what is copied behind its head. */
const long: SharedResult = { json: JSON.stringify({ data: 'x'.repeat(9_000) }) };

/** What reaches the wire when so many operations are told a short and a long result. */
async function tell(ids: readonly string[], hasSeveralOperations: boolean): Promise<readonly Buffer[]> {
  const stream = new Wire();
  const target: FrameTarget = { socket: { readyState: 1, OPEN: 1 }, stream, hasSeveralOperations, onWritten: () => {} };
  let sent = 0;
  for (const id of ids) {
    const sink = new SocketSink(target, id);
    for (const result of [short, long]) sink.send(result, event, { onSent: () => sent++ });
  }
  await until('all are sent', () => sent === 2 * ids.length);
  return stream.writes;
}

test('what several operations of one WebSocket are told in one turn is written at once, the same bytes as by itself', async () => {
  const alone = await tell(['a', 'b', 'c'], false);
  const together = await tell(['a', 'b', 'c'], true);
  expect(alone).toHaveLength(6);
  expect(together).toHaveLength(1);
  expect(together[0]?.equals(Buffer.concat(alone))).toBe(true);
});
