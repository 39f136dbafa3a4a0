import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the project is, without a slash at the end. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** The text of a file of the project. */
export function read(path: string): string {
  return readFileSync(join(checkout, path), 'utf8');
}

/** Every page that people read, as paths from the checkout. */
export function pages(): readonly string[] {
  const examples = readdirSync(join(checkout, 'examples'), { recursive: true, encoding: 'utf8' });
  return [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    ...readdirSync(join(checkout, 'docs')).map((file) => `docs/${file}`),
    ...examples.map((file) => `examples/${file}`),
  ].filter((path) => path.endsWith('.md'));
}

/** The fenced blocks of a page in one language, in order; `''` is none. */
export function blocksOf(page: string, language: string): readonly string[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , text = '']) => text);
}

/** The page without its fenced blocks. */
export function proseOf(page: string): string {
  return page.replaceAll(/^```\w*\n[\s\S]*?^```$/gm, '');
}

/** What is under a heading of the second level, up to the next one. */
export function sectionOf(page: string, heading: string): string {
  const [, section] = page.split(new RegExp(`^## ${heading}\\n`, 'm'));
  if (section === undefined) throw new Error(`no section ${heading}`);
  return section.split(/^## /m, 1)[0] ?? '';
}

/** The cells of every row of the tables in a text, without the heads. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  const rows = [...text.matchAll(/^\|(.*)\|$/gm)].map(([, row = '']) => row.split('|').map((cell) => cell.trim()));
  return rows.filter((row, index) => !isRule(row) && !isRule(rows[index + 1]));
}

/** The line under the head of a table. */
function isRule(row: readonly string[] | undefined): boolean {
  return row?.every((cell) => /^-+$/.test(cell)) === true;
}

/** What a cell or sentence holds between backticks. */
export function quoted(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): readonly string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
