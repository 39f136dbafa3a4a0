import { startRedis } from '../test/support/redis/server.ts';
import { median } from './figures.ts';
import { openChord } from './redis/bench.ts';
import { sizes } from './sizes.ts';
await using server = await startRedis();
const chord = await openChord(server, 'zz:');
for (const size of sizes) for (let i = 0; i < 8; i++) await chord.setContext(`${size.name}${i}`, size.state);
const out: Record<string, number[]> = {};
let looked: unknown;
for (let r = 0; r < 6; r++) for (const callers of [1, 8]) for (const size of sizes) for (const mode of ['write', 'read']) {
  const n = 400; const t = performance.now(); const c = process.cpuUsage();
  await Promise.all(Array.from({ length: callers }, async (_, k) => { const id = `${size.name}${k}`;
  for (let i = 0; i < n; i++) { await chord.updateContext(id, size.changes(r * 10000 + i)); if (mode !== 'write' && i % 100 === 50) { const x = await chord.getContext(id); looked = x; } } }));
  const u = process.cpuUsage(c);
  if (r > 0) { (out[`${callers} ${size.name} ${mode} wall`] ??= []).push((performance.now() - t) * 1000 / n / callers); (out[`${callers} ${size.name} ${mode} cpu`] ??= []).push((u.user + u.system) / n / callers); }
}
for (const [k, v] of Object.entries(out)) console.log(k.padEnd(40), median(v).toFixed(0), 'µs');
if (looked === 1) console.log(1);
await chord.close();
