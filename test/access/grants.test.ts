import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Grant, idsOf, parseGrants } from '../../src/access/grants.ts';

describe('a grant', () => {
  test.each<[Omit<Grant, 'may'>, readonly string[], readonly string[]]>([
    [{}, ['a', 'call:1', '*'], []],
    [{ id: 'call:1' }, ['call:1'], ['call:', 'call:11', 'CALL:1']],
    [{ id: 'call:*' }, ['call:*'], ['call:1']],
    [{ idPrefix: 'call:' }, ['call:', 'call:1'], ['call', 'xcall:1']],
    [{ idPrefix: '' }, ['a', 'b'], []],
    [
      { idPattern: 'user:*:inbox' },
      ['user:7:inbox', 'user::inbox', 'user:a:b:inbox'],
      ['user:inbox', 'user:7:inbox:x'],
    ],
    [{ idPattern: '*' }, ['a', 'b\nc'], []],
    [{ idPattern: 'a.c' }, ['a.c'], ['abc']],
    [{ idPattern: 'a*b*a' }, ['aba', 'axbxa', 'abba'], ['aa', 'ab', 'aab']],
  ])('%j', (which, inside, outside) => {
    const ids = idsOf([{ may: ['read'], ...which }], ['read']);
    expect(inside.filter((id) => !ids.has(id))).toEqual([]);
    expect(outside.filter((id) => ids.has(id))).toEqual([]);
    expect(idsOf([{ may: ['read'], ...which }], ['write']).has(inside[0] ?? '')).toBe(false);
  });

  test.each([
    undefined,
    {},
    'read',
    [{ may: [] }],
    [{ may: ['fly'] }],
    [{ may: ['read'], id: 'a', idPrefix: 'b' }],
    [{ may: ['read'], ids: ['a'] }],
    [{ idPrefix: 'a' }],
  ])('%j is none', (value) => {
    expect(parseGrants(value)).toBeUndefined();
  });
});

const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', ':'), maxLength: 5 });
const grant = fc
  .tuple(
    fc.subarray(['read', 'list'] as const, { minLength: 1 }),
    fc.oneof(
      fc.record({ id: text.filter((id) => id !== '') }),
      fc.record({ idPrefix: text }),
      fc.record({ idPattern: text.filter((id) => id !== '') }),
      fc.constant({}),
    ),
  )
  .map(([may, which]): Grant => ({ may, ...which }));

/** As the documentation says it, and nothing cleverer. */
function allows(grants: readonly Grant[], verb: 'read' | 'list', id: string): boolean {
  return grants.some(({ may, id: exact, idPrefix, idPattern }) => {
    if (!may.includes(verb)) return false;
    if (exact !== undefined) return id === exact;
    if (idPattern !== undefined) return matches(idPattern, id);
    return id.startsWith(idPrefix ?? '');
  });
}

function matches(pattern: string, id: string): boolean {
  if (pattern === '') return id === '';
  if (pattern[0] === '*') return matches(pattern.slice(1), id) || (id !== '' && matches(pattern, id.slice(1)));
  return id[0] === pattern[0] && matches(pattern.slice(1), id.slice(1));
}

test('several verbs are allowed where each of them is, whatever the grants', () => {
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 4 }), fc.array(text, { maxLength: 8 }), (grants, ids) => {
      const both = idsOf(grants, ['read', 'list']);
      for (const id of ids) {
        expect(both.has(id)).toBe(allows(grants, 'read', id) && allows(grants, 'list', id));
        if (both.parts === null) continue;
        const { ids: exact, prefixes } = both.parts;
        // Parts do not overlap: what is counted by them is counted once.
        const hits = exact.filter((one) => one === id).length + prefixes.filter((one) => id.startsWith(one)).length;
        expect(hits).toBe(both.has(id) ? 1 : 0);
      }
    }),
    { numRuns: 2_000 },
  );
});
