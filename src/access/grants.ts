/**
 * What a viewer may do, as a list of grants: which verbs, on which ids. There is no grant that forbids.
 *
 *     [{ "may": ["read", "list"], "idPrefix": "call:" }, { "may": ["write"], "id": "call:7" }]
 */
import { z } from 'zod';

/**
 * - `read`: get, sync, follow, and see the result of writes
 * - `write`: set and update
 * - `delete`, `export`, `restore`: the verbs of these names
 * - `list`: appear in lists, which show only what may be read as well
 * - `admin`: cleanup, revocations, and what goes on in the server; about no id
 */
export const verbs = ['read', 'write', 'delete', 'export', 'restore', 'list', 'admin'] as const;

/** One of `verbs`. */
export type Verb = (typeof verbs)[number];

/** Verbs on ids: on one, on those that begin so, on those that a pattern matches, or on all. */
export interface Grant {
  readonly may: readonly Verb[];
  readonly id?: string | undefined;
  readonly idPrefix?: string | undefined;
  /** `*` stands for any text, also an empty one. */
  readonly idPattern?: string | undefined;
}

/** Which ids something is allowed on. */
export interface IdSet {
  has(id: string): boolean;
  /** The same in prefixes, none of which begins with another; an exact id is among `ids`. Null: only `has` tells. */
  readonly parts: { readonly ids: readonly string[]; readonly prefixes: readonly string[] } | null;
  /** Of the ids of `parts`, those that are not in the set. Absent: none. */
  readonly except?: ReadonlySet<string> | undefined;
}

type Matcher = (id: string) => boolean;

const grantSchema = z
  .strictObject({
    may: z.array(z.enum(verbs)).min(1),
    id: z.string().min(1).optional(),
    idPrefix: z.string().optional(),
    idPattern: z.string().min(1).optional(),
  })
  .refine(({ id, idPrefix, idPattern }) => [id, idPrefix, idPattern].filter((value) => value !== undefined).length < 2);

const grantsSchema = z.array(grantSchema);

/** What `parseGrants` expects, for error messages. */
export const expectedGrants = `a list of { "may": [${verbs.map((verb) => `"${verb}"`).join(', ')}], and at most one of "id", "idPrefix", "idPattern" }`;

/** Undefined: these are no grants. */
export function parseGrants(value: unknown): readonly Grant[] | undefined {
  return grantsSchema.safeParse(value).data;
}

/** On which ids the grants allow all of the verbs. */
export function idsOf(grants: readonly Grant[], wanted: readonly Verb[]): IdSet {
  const [first = nothing, ...others] = wanted.map((verb) => unionOf(grants.filter(({ may }) => may.includes(verb))));
  return others.reduce(intersectionOf, first);
}

/** Everything: for a viewer whom nothing is forbidden. */
export const allIds: IdSet = { has: () => true, parts: { ids: [], prefixes: [''] } };

const nothing: IdSet = { has: () => false, parts: { ids: [], prefixes: [] } };

/** The set without some ids. */
export function withoutIds(set: IdSet, except: ReadonlySet<string>): IdSet {
  if (except.size === 0) return set;
  return { has: (id) => !except.has(id) && set.has(id), parts: set.parts, except };
}

/** One whose members only a function knows. */
export function idsWhere(has: (id: string) => boolean): IdSet {
  return { has, parts: null };
}

function unionOf(grants: readonly Grant[]): IdSet {
  const ids = new Set<string>();
  const prefixes: string[] = [];
  const patterns: Matcher[] = [];
  for (const { id, idPrefix, idPattern } of grants) {
    if (id !== undefined) ids.add(id);
    else if (idPattern === undefined) prefixes.push(idPrefix ?? '');
    else patterns.push(matcherOf(idPattern));
  }
  return setOf(ids, prefixes, patterns);
}

function setOf(ids: ReadonlySet<string>, prefixes: readonly string[], patterns: readonly Matcher[]): IdSet {
  const shortest = prefixes.filter(
    (prefix, index) => !prefixes.some((other, at) => prefix.startsWith(other) && (other !== prefix || at < index)),
  );
  const isInside = (id: string) => shortest.some((prefix) => id.startsWith(prefix));
  return {
    has: (id) => ids.has(id) || isInside(id) || patterns.some((matches) => matches(id)),
    parts: patterns.length > 0 ? null : { ids: [...ids].filter((id) => !isInside(id)), prefixes: shortest },
  };
}

function intersectionOf(a: IdSet, b: IdSet): IdSet {
  if (a.parts === null || b.parts === null) return idsWhere((id) => a.has(id) && b.has(id));
  const ids = [...a.parts.ids, ...b.parts.ids].filter((id) => a.has(id) && b.has(id));
  // Of two prefixes of which one begins with the other, the longer one is in both.
  const prefixes = [...inside(a.parts.prefixes, b.parts.prefixes), ...inside(b.parts.prefixes, a.parts.prefixes)];
  return setOf(new Set(ids), prefixes, []);
}

function inside(prefixes: readonly string[], shorter: readonly string[]): readonly string[] {
  return prefixes.filter((prefix) => shorter.some((other) => prefix.startsWith(other)));
}

/** Linear in the id: between two stars the first place that fits is as good as any. */
function matcherOf(pattern: string): (id: string) => boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return (id) => id === first;
  return (id) => {
    if (id.length < first.length + last.length || !id.startsWith(first) || !id.endsWith(last)) return false;
    const end = id.length - last.length;
    let at = first.length;
    for (const part of others) {
      const found = id.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}
