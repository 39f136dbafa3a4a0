/** The tables at the end of pages that say which tests hold a rule. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, quoted, read, rowsOf } from './pages.ts';

/** One row: `| W1 | file in backticks | "title", "group > title" |`. */
export interface Holding {
  readonly number: string;
  readonly file: string;
  readonly titles: readonly string[];
}

/** @throws an error that shows the row which is not of that form: what is not understood is not checked. */
export function holdingsIn(section: string): readonly Holding[] {
  return rowsOf(section).map((row) => {
    const [number = '', files = '', titles = ''] = row;
    const [file = ''] = quoted(files);
    if (row.length !== 3 || files !== `\`${file}\`` || !/^"[^"]+"(, "[^"]+")*$/.test(titles)) {
      throw new Error(`not a row of what holds what: ${row.join(' | ')}`);
    }
    return { number, file, titles: [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title) };
  });
}

/** The titles of a test file in its order, as they are written there: `%s` of a table stays what it is. */
export function titlesIn(file: string): readonly string[] {
  return [...read(file).matchAll(/\(\s*(['"`])((?:(?!\1|\n).)+)\1,\s*(?:\(|\{|async\b)/g)].map(
    ([, , title = '']) => title,
  );
}

/** Whether the title is in the file once; of a group only from its begin on. */
export function isThere(file: string, title: string): boolean {
  if (!existsSync(join(checkout, file))) return false;
  const titles = titlesIn(file);
  const [outer = '', inner] = title.split(' > ');
  if (inner === undefined) return titles.filter((known) => known === title).length === 1;
  return titles.includes(outer) && titles.slice(titles.indexOf(outer)).includes(inner);
}
