/** The kinds of values that options have. */
import { isIP } from 'node:net';
import { z } from 'zod';

/** One kind of value: how text becomes it, and what the file may hold. */
export interface Kind<T> {
  readonly schema: z.ZodType<T>;
  /** Text that does not fit stays text, which the schema then refuses. */
  readonly fromText: (text: string) => unknown;
  /** Completes "expected …". */
  readonly expected: string;
}

/** What the table says of an option beside its kind. */
export interface OptionDetails<T> {
  readonly default: T;
  readonly unit?: string;
  /** No message ever shows its value. */
  readonly isSecret?: boolean;
  /** Its default is for a server that only its own machine reaches; elsewhere the default is false. */
  readonly isLocal?: boolean;
  /** One sentence. */
  readonly description: string;
}

/** An entry of the table. */
export function option<T>(kind: Kind<T>, details: OptionDetails<NoInfer<T>>): Kind<T> & OptionDetails<T> {
  return { ...kind, ...details };
}

/** Any text but the empty one. */
export function text(): Kind<string> {
  return { schema: z.string().min(1), fromText: (given) => given, expected: 'a text that is not empty' };
}

/** One URL or several: in text separated by commas, in the file also an array. */
export function urls(): Kind<string | readonly string[]> {
  const one = z.string().min(1);
  return {
    schema: z.union([one, z.array(one).min(1).readonly()]),
    fromText: (given) => given,
    expected: 'a URL, or several separated by commas (in the file also an array)',
  };
}

/** What names in a store begin with. */
export function prefix(): Kind<string> {
  return {
    // Braces would hide what a Cluster places keys by.
    schema: z
      .string()
      .regex(/^[^\s{}]+$/)
      .refine((given) => Buffer.byteLength(given) <= 64),
    fromText: (given) => given,
    expected: 'a text of 1 to 64 bytes without spaces and braces',
  };
}

/** A whole number. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    schema: z.int().min(min).max(max),
    fromText: (given) => (/^-?\d+$/.test(given) ? Number(given) : given),
    expected: max === Number.MAX_SAFE_INTEGER ? `an integer of ${min} or more` : `an integer from ${min} to ${max}`,
  };
}

/** Yes or no. */
export function boolean(): Kind<boolean> {
  const words = new Map([
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ]);
  return { schema: z.boolean(), fromText: (given) => words.get(given) ?? given, expected: 'true or false' };
}

/** One of some words. */
export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    schema: z.enum(values),
    fromText: (given) => given,
    expected: values.length === 1 ? `${values[0]}` : `one of ${values.join(', ')}`,
  };
}

/** One of some words; in the file also an object of the user's with this method. */
export function choiceOrObject<const T extends string>(method: string, ...values: readonly T[]): Kind<T | object> {
  const own = z.custom<object>((value) => typeof value === 'object' && value !== null && hasMethod(value, method));
  return {
    schema: z.union([z.enum(values), own]),
    fromText: (given) => given,
    expected: `one of ${values.join(', ')} (in the file also an object with ${method})`,
  };
}

function hasMethod(value: object, method: string): boolean {
  return typeof Reflect.get(value, method) === 'function';
}

/** `none` in text, `none` or null in the file. */
export function orNone<T>(kind: Kind<T>): Kind<T | null> {
  return {
    schema: z.preprocess((value) => (value === 'none' ? null : value), kind.schema.nullable()),
    fromText: kind.fromText,
    expected: `${kind.expected}, or none`,
  };
}

/** In text separated by commas, with `none` for an empty one; an array in the file. */
export function list(items: string): Kind<readonly string[]> {
  return {
    schema: z.array(z.string()).readonly(),
    fromText: (given) => (given === 'none' ? [] : split(given)),
    expected: `${items} separated by commas (in the file an array of texts), or none`,
  };
}

/** A list that is not empty, or `auto`. */
export function autoOrList(items: string): Kind<'auto' | readonly string[]> {
  return {
    schema: z.union([z.literal('auto'), z.array(z.string().min(1)).min(1).readonly()]),
    fromText: (given) => (given === 'auto' ? given : split(given)),
    expected: `auto, or ${items} separated by commas (in the file an array of texts)`,
  };
}

/** Text in which something is missing stays text. */
function split(given: string): string | readonly string[] {
  const items = given.split(',').map((item) => item.trim());
  return items.includes('') ? given : items;
}

/** Origins as browsers send them, or `*`: in text separated by commas, with `none` for an empty list. */
export function origins(): Kind<readonly string[]> {
  return {
    ...list('origins'),
    schema: z.array(z.string().refine(isOrigin)).readonly(),
    expected:
      'origins separated by commas, each like https://app.example.com without a path (in the file an array of texts), or none',
  };
}

function isOrigin(given: string): boolean {
  return given === '*' || (URL.canParse(given) && new URL(given).origin === given);
}

/** Addresses, ranges of them, and the names of two: in text separated by commas, with `none` for an empty list. */
export function networks(): Kind<readonly string[]> {
  return {
    ...list('addresses'),
    schema: z.array(z.string().refine(isNetwork)).readonly(),
    expected:
      'addresses, ranges like 10.0.0.0/8, loopback or private, separated by commas (in the file an array of texts), or none',
  };
}

function isNetwork(given: string): boolean {
  if (given === 'loopback' || given === 'private') return true;
  const [, address = given, bits] = /^(.*)\/(\d{1,3})$/.exec(given) ?? [];
  const version = isIP(address);
  // A zone is a name on one machine, not a part of the address.
  return version !== 0 && !address.includes('%') && Number(bits ?? 0) <= (version === 4 ? 32 : 128);
}

/** The longest that a Node timer can wait: 24.8 days. A longer one would fire at once. */
export function maxTimerMs(): number {
  return 2 ** 31 - 1;
}
