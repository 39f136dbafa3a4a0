import type { ExportedContext } from '../../src/external/external.ts';

/** A record as the service hands it out. */
export function recordOf(given: Partial<ExportedContext> = {}): ExportedContext {
  return {
    format: 'chord.context/1',
    id: 'call:123',
    epoch: 'AAAAAAAAAAAAAAAA',
    version: 1,
    state: { status: 'ringing' },
    insertedAt: '2030-01-01T00:00:00.000Z',
    ...given,
  };
}

/** A call that nobody ends before a test would. */
export function call() {
  return { signal: AbortSignal.timeout(25_000) };
}

/** What the options are by default. */
export const defaults = {
  exporter: 'none',
  provider: 'none',
  exportDir: './chord-exports',
  webhookExportUrl: null,
  webhookProviderUrl: null,
  webhookSecret: null,
  s3Bucket: null,
  s3Prefix: null,
  s3Region: null,
  s3Endpoint: null,
  s3PathStyle: false,
} as const;
