import { expect, test } from 'vitest';
import { read } from './pages.ts';

test('every alert has a runbook, and every runbook of an alert an alert', () => {
  const alerts = [...read('docs/metrics.md').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const headings = [...read('docs/runbooks.md').matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
  const named = headings.flatMap((heading) => heading.match(/\bChord[A-Z]\w+/g) ?? []);
  expect(alerts.length).toBeGreaterThan(10);
  expect(new Set(named)).toEqual(new Set(alerts));
});
