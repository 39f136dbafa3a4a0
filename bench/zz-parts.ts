import { MemoryBackend } from '../src/backend/memory.ts';
import { createChord } from '../src/chord.ts';
import { mergeChanges } from '../src/delta/merge.ts';
import { growth, weightOfChanges } from '../src/delta/weight.ts';
import { baseOf } from '../src/service/batch.ts';
import { decide } from '../src/service/decide.ts';
import { createWriteIds, newEpoch } from '../src/service/ids.ts';
import { parseId } from '../src/service/input.ts';
import { parseState } from '../src/service/input-state.ts';
import { toDelta } from '../src/service/sync.ts';
import { sizes } from './sizes.ts';

const size = sizes[1]!;
const backend = new MemoryBackend();
const chord = createChord({ backend, deltaThreshold: 100 });
await chord.setContext('a', size.state);
for (let i = 0; i < 200; i++) await chord.updateContext('a', size.changes(i));
const limits = { maxStateDepth: 64, forbiddenKeys: new Set<string>() };
const ids = createWriteIds();
const rules = {
  nowMs: Date.now(),
  serverId: 'memory',
  newEpoch,
  deltaThreshold: 100,
  maxStateBytes: 1 << 20,
  defaultTtlMs: null,
};
const N = 300000;
const out: Record<string, number[]> = {};
let sink: unknown;
async function time(name: string, f: (i: number) => unknown, isAsync = false) {
  const cal0 = process.cpuUsage();
  for (let i = 0; i < 300; i++) JSON.stringify(size.state);
  const cu = process.cpuUsage(cal0);
  const scale = (cu.user + cu.system) / 300 / 18;
  const c = process.cpuUsage();
  if (isAsync) for (let i = 0; i < N; i++) sink = await f(i);
  else for (let i = 0; i < N; i++) sink = f(i);
  const u = process.cpuUsage(c);
  (out[name] ??= []).push(((u.user + u.system) * 1000) / N / scale);
}
const state = (backend.peek('a') as any).state;
const parsed = parseState(size.changes(1), limits);
const ch = mergeChanges(state, parseState({ participants: { p1: { volume: -5 } } }, limits));
for (let r = 0; r < 8; r++) {
  await time('changes object', (i) => size.changes(i));
  await time('parseState', (i) => parseState(size.changes(i), limits));
  await time('parseId+writeId', () => [parseId('id', 'a'), ids()]);
  await time('mergeChanges', (i) => mergeChanges(state, parsed));
  await time('growth+weight', (i) => growth(ch) + weightOfChanges(ch));
  let i0 = 1e6 + r * N;
  const req = (i: number) => ({
    id: 'a',
    writeId: 'x',
    action: { verb: 'update' as const, changes: { participants: { p1: { volume: i } } }, remove: [] },
    expectedVersion: undefined,
    expectedEpoch: undefined,
    ttlMs: undefined,
    origin: undefined,
    idempotency: undefined,
  });
  await time('decide', (i) => decide(backend.peek('a')!, req(i0 + i), rules));
  await time(
    'decide+commit',
    async (i) => {
      const known = backend.peek('a')!;
      const d = decide(known, req(i0 + i), rules);
      if (d.kind !== 'write') throw 1;
      return backend.commit('a', baseOf(known), [{ writeId: 'x', step: d.step }], {
        nowMs: rules.nowMs,
        freshEpoch: '',
        attempt: 0,
      });
    },
    true,
  );
  await time('await async', async (i) => i, true);
  await time('await new Promise', (i) => new Promise((resolve) => resolve(i)), true);
  const rec: any = (await backend.deltas('a', { limit: 1 }))[0];
  await time('toDelta', () => toDelta('a', rec));
  await time('Date.now', () => Date.now());
  await time('update', (i) => chord.updateContext('a', size.changes(i0 + N + i)), true);
}
for (const [n, v] of Object.entries(out)) {
  v.sort((a, b) => a - b);
  console.log(n.padEnd(20), v[Math.floor(v.length / 2)]!.toFixed(0), 'min', v[0]!.toFixed(0), 'ns');
}
if (sink === 1) console.log(sink);
await chord.close();
