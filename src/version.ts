import { readFileSync } from 'node:fs';

/** Of the package. Reads its `package.json`. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  // Our own package.json, which has one.
  return String((manifest as { readonly version?: unknown }).version);
}
