/* Exports for ever, three contexts at once, as fast as it can, until it is killed. */
import { createFileExporter } from '../../src/external/file.ts';
import { recordOf } from './records.ts';

const exporter = createFileExporter(process.argv[2] ?? '');
const { signal } = new AbortController();

async function exportForEver(id: string): Promise<never> {
  for (let version = 1; ; version++) {
    const state = { version, text: String(version).padEnd(3_000_000, 'x') };
    await exporter.exportContext(recordOf({ id, version, state }), { signal });
    process.send?.({ id, version });
  }
}

await Promise.all(['a', 'b', 'c'].map(exportForEver));
