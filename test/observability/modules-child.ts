/* A server in a process of its own, which says what it has loaded. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { type AppOptions, createApp } from '../../src/app/app.ts';

const given = JSON.parse(process.argv[2] ?? '{}') as AppOptions;
const app = createApp({ port: 0, backend: 'memory', logLevel: 'silent', drainTimeoutMs: 500, ...given });
const { url } = await app.start();
// Whether work is followed through promises in this process, which slows all of it down.
const { run } = AsyncLocalStorage.prototype;
let runs = 0;
AsyncLocalStorage.prototype.run = function (this: AsyncLocalStorage<unknown>, ...args: unknown[]) {
  runs++;
  return Reflect.apply(run, this, args);
} as typeof run;
process.send?.({ kind: 'started', url });
process.on('message', () => {
  // Packages of OpenTelemetry are CommonJS, which this lists however it was loaded.
  const paths = Object.keys(createRequire(import.meta.url).cache);
  const packages = paths.flatMap((path) => /@opentelemetry\/([\w-]+)/.exec(path)?.[1] ?? []);
  process.send?.({ packages: [...new Set(packages)], runs });
  void app.stop().then(() => process.disconnect());
});
