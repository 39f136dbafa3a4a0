import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app/app.ts';
import { type Definition, table } from '../../src/observability/metrics.ts';
import { blocksOf, quoted, read, rowsOf, sectionOf } from '../docs/pages.ts';
import { RecordingLogger } from '../support/app.ts';
import { Scrape } from './scrape.ts';

const page = read('docs/metrics.md');
const dashboard = read('deploy/grafana/chord.json');
const definitions: readonly Definition[] = Object.values(table);

let app: App | undefined;
let seen = new Scrape('');

beforeAll(async () => {
  app = createApp({ port: 0, metricsPort: 0, backend: 'memory', logger: new RecordingLogger() });
  const { metricsUrl = '' } = await app.start();
  seen = await Scrape.of(metricsUrl);
});

afterAll(() => app?.stop());

/** With what a histogram has instead of its name. */
function seriesOf(name: string, type: string): readonly string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

function mentioned(text: string): readonly string[] {
  return [...new Set(text.match(/\b(?:chord|nodejs|process)_[a-z0-9_]+\b/g))];
}

test('every metric of the table is told, with its type and its help', () => {
  const own = Object.entries(seen.described).filter(([name]) => name.startsWith('chord_'));
  const defined = definitions.map(({ name, type, help }) => [name, { type, help }]);
  expect(Object.fromEntries(own)).toEqual(Object.fromEntries(defined));
});

test('docs/metrics.md has a row for each metric, with its labels and all their values', () => {
  expect(rowsOf(sectionOf(page, 'Every metric'))).toEqual(
    definitions.map(({ name, type, labels, help }) => [`\`${name}\``, type, labelsCell(labels), help]),
  );
});

function labelsCell(labels: Definition['labels']): string {
  return Object.entries(labels)
    .map(([label, values]) => `\`${label}\`: ${values.map((value) => value || 'none').join(', ')}`)
    .join('; ');
}

test('counters, and nothing else, end in _total, as Prometheus has it', () => {
  const withTotal = definitions.filter(({ name }) => name.endsWith('_total'));
  expect(withTotal).toEqual(definitions.filter(({ type }) => type === 'counter'));
  expect(definitions.filter(({ buckets }) => buckets)).toEqual(definitions.filter(({ type }) => type === 'histogram'));
  for (const { name } of definitions) expect(name).toMatch(/^chord_[a-z]+(_[a-z]+)*$/);
});

test('there are not more series than the page says', () => {
  const bound = definitions.reduce((sum, { labels, buckets = [] }) => {
    const combinations = Object.values(labels).reduce((product, { length }) => product * length, 1);
    return sum + combinations * (buckets.length === 0 ? 1 : buckets.length + 3);
  }, 0);
  expect(bound).toBeLessThan(3_000);
});

describe.each([
  ['the dashboard', () => dashboard],
  ['the alerts', () => blocksOf(page, 'yaml').join('\n')],
  ['the page', () => quoted(page).join('\n')],
])('%s', (_, text) => {
  test('names only metrics that are told', () => {
    const series = Object.entries(seen.described).flatMap(([name, { type }]) => seriesOf(name, type));
    const told = new Set([...series, ...Object.keys(seen.described)]);
    expect(mentioned(text()).filter((name) => !told.has(name))).toEqual([]);
    expect(mentioned(text()).length).toBeGreaterThan(3);
  });

  test('selects labels and values that there are', () => {
    const selections = [...text().matchAll(/\b(chord_[a-z_]+)\{([^}]*)\}/g)];
    for (const [, series = '', filters = ''] of selections) {
      const definition = definitions.find(({ name, type }) => seriesOf(name, type).includes(series));
      const matchers = [...filters.matchAll(/(\w+)(?:=~|!=|=)\\?"([^"\\]*)\\?"/g)];
      for (const [, label = '', value = ''] of matchers) {
        if (label === 'instance' || label === 'job') continue;
        for (const one of value.split('|')) expect(definition?.labels[label], `${series} ${label}`).toContain(one);
      }
    }
  });
});

test('the dashboard shows every metric of the table', () => {
  const shown = mentioned(dashboard);
  const missing = definitions.filter(
    ({ name, type }) => !seriesOf(name, type).some((series) => shown.includes(series)),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});
