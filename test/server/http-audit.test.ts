import { type AuditResult, auditServer } from 'graphql-http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, stopApps } from '../support/app.ts';

let results: readonly AuditResult[];

beforeAll(async () => {
  const { url } = await startApp();
  results = await auditServer({ url });
});
afterAll(stopApps);

test('the GraphQL-over-HTTP audits pass, all 61, the recommendations too', () => {
  const failures = results.filter((result) => result.status !== 'ok');
  expect(failures.map(({ name, status, reason }) => ({ name, status, reason }))).toEqual([]);
  expect(results).toHaveLength(61);
  expect(new Set(results.map(({ id }) => id)).size).toBe(61);
});
