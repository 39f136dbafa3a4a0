// Puts the table of options into docs/operations.md, between its markers. Part of `npm run codegen`, run by tsx.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { configTableMarkdown } from '../src/config/help.ts';

const path = 'docs/operations.md';
const begin = '<!-- config:begin -->\n';
const end = '<!-- config:end -->';

const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
const from = before.indexOf(begin);
const to = before.indexOf(end, from);
if (from < 0 || to < 0) {
  process.stderr.write(`${path} lacks the lines ${begin.trim()} and ${end}.\n`);
  process.exit(1);
}
const after = `${before.slice(0, from + begin.length)}\n${configTableMarkdown()}\n${before.slice(to)}`;
if (after !== before) writeFileSync(path, after);
