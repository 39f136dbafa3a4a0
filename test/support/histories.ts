import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { deepFreeze, type JsonObject } from '../../src/delta/json.ts';
import { type History, histories } from '../fixtures/histories.ts';

const SUFFIX = '.ndjson.br';

/**
 * Our own histories, and those in the directory, if any: each `*.ndjson.br` is brotli-compressed, with a line
 * `{"at": <time>, "data": <the document>}` per revision, oldest first.
 */
export function loadHistories(directory = process.env['CHORD_HISTORIES']): readonly History[] {
  if (directory === undefined || directory === '') return histories;
  const files = readdirSync(directory).filter((file) => file.endsWith(SUFFIX));
  return [...histories, ...files.toSorted().map((file) => readHistory(join(directory, file)))];
}

function readHistory(file: string): History {
  const lines = brotliDecompressSync(readFileSync(file)).toString('utf8').split('\n');
  const revisions = lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { data: JsonObject }).data);
  return { name: basename(file, SUFFIX), revisions: revisions.map((revision) => deepFreeze(revision)) };
}
