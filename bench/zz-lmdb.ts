import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LmdbBackend } from '../src/backend/lmdb/lmdb.ts';
import { createChord } from '../src/chord.ts';
import { median } from './figures.ts';
import { sizes } from './sizes.ts';
const folder = mkdtempSync(join(tmpdir(), 'chord-bench-'));
const chord = createChord({ backend: LmdbBackend.open({ path: folder, cacheBytes: 256 * 1024 * 1024 }) });
for (const size of sizes) await chord.setContext(size.name, size.state);
const out: Record<string, number[]> = {};
let looked: unknown;
for (let r = 0; r < 6; r++) for (const size of sizes) for (const mode of ['write', 'read', 'look']) {
  const n = 300; const t = performance.now(); const c = process.cpuUsage();
  for (let i = 0; i < n; i++) { await chord.updateContext(size.name, size.changes(r * 10000 + i)); if (mode !== 'write' && i % 100 === 0) { const x = await chord.getContext(size.name); if (mode === 'look') looked = x?.state; } }
  const u = process.cpuUsage(c);
  if (r > 0) { (out[`${size.name} ${mode} wall`] ??= []).push((performance.now() - t) * 1000 / n); (out[`${size.name} ${mode} cpu`] ??= []).push((u.user + u.system) / n); }
}
for (const [k, v] of Object.entries(out)) console.log(k.padEnd(40), median(v).toFixed(0), 'µs');
if (looked === 1) console.log(1);
await chord.close(); rmSync(folder, { recursive: true, force: true });
