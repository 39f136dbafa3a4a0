import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { recordSuite } from './recording.ts';

const tests = recordSuite(() => new MemoryBackend());
const docs = readFileSync(new URL('../../docs/backends.md', import.meta.url), 'utf8');
/** The rows of the table of guarantees: `| B7 | commit | … |`. */
const rows = [...docs.matchAll(/^\| (B\d+) \| ([^|]+) \|/gm)].map(([, number, group]) => `${number} ${group?.trim()}`);

describe('docs/backends.md', () => {
  test('names every guarantee that the suite tests, with its group, and no other', () => {
    const tested = new Set(tests.map(({ group, title }) => `${/^B\d+/.exec(title)?.[0]} ${group}`));
    expect(rows.toSorted()).toEqual([...tested].toSorted());
  });

  test('numbers the guarantees from B1 on, each once and in order', () => {
    expect(rows.map((row) => row.split(' ')[0])).toEqual(rows.map((_, index) => `B${index + 1}`));
  });

  test('mentions no guarantee that it does not list', () => {
    const mentioned = new Set([...docs.matchAll(/\bB\d+\b/g)].map(([number]) => number));
    expect([...mentioned].filter((number) => !rows.some((row) => row.startsWith(`${number} `)))).toEqual([]);
  });
});

describe('the suite', () => {
  test('begins every title with the number of a guarantee', () => {
    expect(tests.map(({ title }) => title).filter((title) => !/^B\d+: /.test(title))).toEqual([]);
  });

  test('has no two tests with one title in a group', () => {
    const titles = tests.map(({ group, title }) => `${group}: ${title}`);
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
  });

  test('names what it skips, and the capability that is missing', () => {
    const skipped = tests.filter(({ isSkipped }) => isSkipped);
    expect(new Set(skipped.map(({ group }) => group))).toEqual(
      new Set(['several processes', 'reopening', 'server identity']),
    );
    for (const { title } of skipped) expect(title).toMatch(/\(not run: the backend declares no `\w+`\)$/);
  });
});
