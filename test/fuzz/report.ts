/** What a run of a fuzzer says, and what of it is wrong. */
import type { FuzzReport } from './run.ts';
import type { Look } from './victim.ts';

const MiB = 1024 * 1024;
/** Compiled code, and what libraries keep of the last requests. What leaks grows on and on. */
const maxGrowthBytes = 8 * MiB;

/** Nothing: all is well. */
export function faultsOf({ failures, looks }: FuzzReport): readonly string[] {
  const faults = [...failures];
  const [first] = looks;
  const last = looks.at(-1);
  if (first === undefined || last === undefined) return faults;
  const grown = Math.min(...looks.slice(-2).map(({ total }) => total)) - first.total;
  if (grown > maxGrowthBytes) faults.push(`the memory grew by ${grown / MiB} MiB: ${looks.map(sizeOf).join(' ')}`);
  for (const [name, count] of Object.entries(last.resources)) {
    // A timer more or less is of the moment.
    if (count > (first.resources[name] ?? 0) + 3)
      faults.push(`${count} of ${name}, ${first.resources[name] ?? 0} before`);
  }
  const { failedRuns } = last.stats;
  if (failedRuns > 0) faults.push(`${failedRuns} runs of cleanup failed`);
  return faults;
}

/** For people. */
export function summaryOf({ batches, inputs, counts, looks }: FuzzReport): readonly string[] {
  const answers = [...counts].toSorted(([, a], [, b]) => b - a).map(([answer, count]) => `${answer}: ${count}`);
  const last = looks.at(-1);
  const warnings = [...(last?.warnings ?? [])].map(([message, count]) => `${message} (${count})`);
  return [
    `${inputs} inputs in ${batches} batches; ${answers.join(', ')}`,
    `memory in MiB, heap/all: ${looks.map(sizeOf).join(' ')}; open at the end: ${JSON.stringify(last?.resources)}`,
    `${last?.lines ?? 0} log lines; warnings: ${warnings.join(', ') || 'none'}`,
  ];
}

function sizeOf({ heapUsed, total }: Look): string {
  return `${(heapUsed / MiB).toFixed(1)}/${(total / MiB).toFixed(1)}`;
}
