/** docs/defects.md: its numbers and titles are those of the tests, in both directions. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { holdingsIn, titlesIn } from './held-by.ts';
import { checkout, read, sectionOf } from './pages.ts';

const page = read('docs/defects.md');
const holdings = holdingsIn(sectionOf(page, 'What holds each'));

/** Items of the numbered list, with their further lines. */
const mistakes = [...page.matchAll(/^(\d+)\. (.*\n(?: {2,}.*\n)*)/gm)].map(([, number = '', text = '']) => ({
  number,
  /** What brings the verb that could make the mistake; undefined when it is here. */
  comesWith: /\*Not applicable yet: comes with (\w+)\.\*/.exec(text)?.[1],
}));

describe('the mistakes of docs/defects.md', () => {
  test('are numbered from 1 to 20', () => {
    expect(mistakes.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, index) => `${index + 1}`));
  });

  test.each(mistakes)('$number has a test, or is not applicable yet', ({ number, comesWith }) => {
    const isHeld = holdings.some((holding) => holding.number === number);
    expect(isHeld).toBe(comesWith === undefined);
  });

  test('are not applicable only as long as the schema has no such field', () => {
    const fields = [...read('schema/schema.graphql').matchAll(/^ {2}(\w+)[(:]/gm)].map(([, field = '']) => field);
    expect(fields).toContain('setContext');
    const due = mistakes.filter(({ comesWith }) => fields.some((field) => isOf(field, comesWith)));
    expect(due).toEqual([]);
  });

  test('are held by every test that is named by a number, and by no other', () => {
    const files = readdirSync(join(checkout, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => `test/${file}`);
    const there = files.flatMap((file) =>
      titlesIn(file)
        .filter((title) => /^defect \d/.test(title))
        .map((title) => `${file}: ${title}`),
    );
    const shown = holdings.flatMap(({ number, file, titles }) =>
      titles.map((title) => `${file}: defect ${number}: ${title}`),
    );
    expect(shown.toSorted()).toEqual(there.toSorted());
    expect(there).not.toEqual([]);
  });
});

function isOf(field: string, verb: string | undefined): boolean {
  return verb !== undefined && field.toLowerCase().includes(verb);
}
