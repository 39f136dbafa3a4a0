/** How options are called, and how messages speak of them. */

/** `maxStateBytes` as an environment variable. */
export function envName(name: string): string {
  return `CHORD_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** `maxStateBytes` as a flag. */
export function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, '-$&').toLowerCase()}`;
}

/** A value as a message shows it: short, never more than one line, and without what may be secret in it. */
export function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return 'an object';
  const shown = textOf(value).replace(/\/\/[^/@\s"]*@/g, '//…@');
  return shown.length > 100 ? `${shown.slice(0, 100)}…` : shown;
}

/** Also of what JSON cannot carry. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  }
}

/** The `code` that Node puts on its errors; undefined when there is none. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Ends a message about a name that is not known; `help` says where to look. */
export function suggestion(wrong: string, known: readonly string[], help = ' See --help.'): string {
  const [nearest] = known.toSorted((a, b) => distance(wrong, a) - distance(wrong, b));
  return ` Did you mean ${nearest}?${help}`;
}

/** How many letters must be typed, deleted or replaced to make one word of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const typed = (next[j] ?? 0) + 1;
      const deleted = (row[j + 1] ?? 0) + 1;
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(typed, deleted, replaced));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
