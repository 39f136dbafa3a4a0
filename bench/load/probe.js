// Loaded into a server by --import: tells the benchmark, when it asks, what the process has used. It does nothing else.
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Its own timer is the only thing that this costs, and only while stalls are watched. */
const delays = monitorEventLoopDelay({ resolution: 1 });

process.on('message', (question) => {
  if (question === 'watch stalls') {
    delays.reset();
    delays.enable();
  }
  if (question === 'collect garbage') globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ cpuUs: user + system, rss, heapUsed: heapUsed + external, stallMs: delays.max / 1e6 });
  if (question === 'end watch') delays.disable();
});
// The server lives as long as it wants to.
process.channel?.unref();
// But no longer than the benchmark.
process.once('disconnect', () => process.exit());
