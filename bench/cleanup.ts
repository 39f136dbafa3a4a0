/**
 * One pass of cleanup that expires 10,000 contexts: among 1,000,000, and where there are no others.
 *
 * The two take turns within one run, on each backend; the event loop's delay is that of the pass alone. The run counts
 * only if each pass expired what was due, and nothing else.
 *
 *   npx tsx bench/cleanup.ts [--contexts 1000000] [--expired 10000] [--rounds 5] [--backends memory,lmdb]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { Backend } from '../src/backend/backend.ts';
import { LmdbBackend } from '../src/backend/lmdb/lmdb.ts';
import { MemoryBackend } from '../src/backend/memory.ts';
import { createChord } from '../src/chord.ts';
import { systemClock } from '../src/clock.ts';
import type { Chord } from '../src/service/chord.ts';
import { head, median, row, spread } from './figures.ts';

const { values } = parseArgs({
  options: {
    contexts: { type: 'string', default: '1000000' },
    expired: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    backends: { type: 'string', default: 'memory,lmdb' },
  },
});
const expired = Number(values.expired);
const rounds = Number(values.rounds);
const ttlMs = 60_000;

interface Pass {
  readonly ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Side {
  readonly contexts: number;
  readonly chord: Chord;
  readonly passes: Pass[];
}

/** Moved over the terms to live, never waited for. */
let nowMs = Date.now();
const clock = { ...systemClock, now: () => nowMs };
const folder = mkdtempSync(join(tmpdir(), 'chord-bench-'));

console.log(`Node ${process.versions.node}, ${rounds} rounds, each expiring ${expired}\n`);
console.log(head('backend', 'contexts', 'pass, ms', 'loop delay p99, ms', 'max, ms', 'time × that without others'));
for (const name of values.backends.split(',')) {
  const sides: Side[] = [];
  for (const contexts of [expired, Number(values.contexts)]) {
    const chord = createChord({ backend: open(name, contexts), clock, tombstoneTtlMs: null });
    await fill(chord, contexts - expired);
    sides.push({ contexts, chord, passes: [] });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { chord, passes } of sides) {
      await each(expired, (index) => chord.setContext(`due:${index}`, { round }, { ttlMs }));
      nowMs += ttlMs;
      const pass = await measure(chord);
      // The first round warms up.
      if (round > 0) passes.push(pass);
    }
  }
  const alone = sides[0]?.passes ?? [];
  for (const { contexts, chord, passes } of sides) {
    const left = (await chord.listContexts({ limit: 1 })).totalCount();
    if ((await left) !== contexts - expired) throw new Error(`${await left} contexts are left.`);
    console.log(
      row(
        name,
        contexts,
        spread(
          passes.map(({ ms }) => ms),
          0,
        ),
        spread(
          passes.map(({ p99Ms }) => p99Ms),
          1,
        ),
        spread(
          passes.map(({ maxMs }) => maxMs),
          1,
        ),
        median(passes.map(({ ms }, index) => ms / (alone[index]?.ms ?? Number.NaN))).toFixed(2),
      ),
    );
    await chord.close();
  }
}
rmSync(folder, { recursive: true, force: true });

function open(name: string, contexts: number): Backend {
  return name === 'memory' ? new MemoryBackend() : LmdbBackend.open({ path: join(folder, `${contexts}`) });
}

async function fill(chord: Chord, count: number): Promise<void> {
  await each(count, (index) => chord.setContext(`kept:${index}`, { index }));
}

/** With a thousand in flight. */
async function each(count: number, act: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      while (next < count) await act(next++);
    }),
  );
}

async function measure(chord: Chord): Promise<Pass> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  const report = await chord.runCleanup();
  const ms = performance.now() - start;
  delay.disable();
  if (report.contextsExpired !== expired || report.remaining) throw new Error(JSON.stringify(report));
  return { ms, p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6 };
}
