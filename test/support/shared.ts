import { inject } from 'vitest';
import { installTimeoutMs } from './programs.ts';

/** Where something is that the whole run shares: made when the first test file asks. See global-setup.ts. */
export async function shared(what: 'standalone' | 'cluster' | 'sentinel' | 'build'): Promise<readonly string[]> {
  // The first to ask waits while it is made, and while a program is installed if need be.
  const signal = AbortSignal.timeout(installTimeoutMs + 30_000);
  const response = await fetch(`${inject('sharedEndpoint')}/${what}`, { signal });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  // Written by global-setup.ts.
  return JSON.parse(text) as readonly string[];
}
