import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseApiKeys } from '../../src/access/api-key-file.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { ConfigFile } from '../../src/config-file.ts';
import { blocksOf, quoted, read, rowsOf, sectionOf } from '../docs/pages.ts';
import { access, bearer, refused, temporaryFile } from './stage.ts';

const page = read('docs/access.md');

test('the file of keys that docs/access.md shows can be used', () => {
  const [file = ''] = blocksOf(page, 'json');
  const viewers = [...parseApiKeys(file).values()];
  expect(viewers.map(({ id, expiresAtMs }) => [id, expiresAtMs])).toEqual([
    ['dashboard', null],
    ['telephony', Date.UTC(2030, 0, 31, 12)],
  ]);
  expect([viewers[0]?.ids('read').has('call:7'), viewers[0]?.ids('read').has('x')]).toEqual([true, false]);
});

test('the function that docs/access.md shows can be used', async () => {
  const path = temporaryFile('chord.config.mjs');
  writeFileSync(path, blocksOf(page, 'js')[0] ?? '');
  // The file's own type; loadConfig sees that it is of it.
  const { authenticate } = (await loadConfig({ argv: ['--config', path], env: {}, cwd: '/' })) as ConfigFile;
  const { authenticate: ask, outcome } = access({ host: '0.0.0.0' }, { authenticate });
  const viewer = await ask({ ...bearer(undefined), connectionParams: { session: 's3cr3t' } });
  expect([viewer.id, viewer.ids('write').has('blue:1'), viewer.ids('write').has('red:1')]).toEqual([
    'ada',
    true,
    false,
  ]);
  expect(await outcome({ header: (name) => (name === 'x-session' ? 's3cr3t' : undefined) })).toBe('ada');
  expect(await outcome(bearer(undefined))).toBe(refused.invalid);
});

test('docs/access.md lists what clients hear', () => {
  const rows = rowsOf(sectionOf(page, 'Who').split('### What a client hears')[1] ?? '');
  expect(rows.map(([code = '', message]) => `${quoted(code)[0]}: ${message}`)).toEqual(Object.values(refused));
});
