import { type AuditResult, auditServer } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from './lane/stage.ts';

describe.each([
  ['with the lane', true],
  ['through yoga alone', false],
])('%s', (_name, hasLane) => {
  let stage: Stage;
  let results: readonly AuditResult[];

  beforeAll(async () => {
    stage = await new Stage({}, hasLane).listen();
    results = await auditServer({ url: stage.url });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test('the GraphQL-over-HTTP audits pass, all 61, the recommendations too', () => {
    const failures = results.filter((result) => result.status !== 'ok');
    expect(failures.map(({ name, status, reason }) => ({ name, status, reason }))).toEqual([]);
    expect(results).toHaveLength(61);
    expect(new Set(results.map(({ id }) => id)).size).toBe(61);
    expect(stage.server.laneAnswers > 0).toBe(hasLane);
  });
});
