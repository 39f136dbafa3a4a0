/**
 * GraphQL documents, made from the schema: every root field and every field of every type, with arguments at their
 * edges, aliases, fragments, directives and variables. Most are valid; `mutate` spoils some.
 */
import * as fc from 'fast-check';
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import { schema } from '../../src/graphql/schema.ts';
import { mutate } from './mutate.ts';
import { oddDocument } from './odd-documents.ts';
import * as values from './values.ts';

/** A document with its variables, both as they are sent. */
export interface Document {
  readonly query: string;
  /** An object of JSON. */
  readonly variables: string;
  readonly operationName: string | undefined;
}

/** Gives names while a document is written: they must not depend on how it came to be. */
class Printer {
  readonly definitions: string[] = [];
  readonly declarations: string[] = [];
  readonly variables: string[] = [];
  #names = 0;

  name(first: string): string {
    return `${first}${++this.#names}`;
  }
}

/** Text that is written when the names are known. */
type Part = (printer: Printer) => string;

const maxDepth = 4;

function seldom<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

/** A valid value of the type, mostly, at its edges. */
function valueOf(type: GraphQLInputType): fc.Arbitrary<values.Value> {
  if (isNonNullType(type)) return valueOf(type.ofType);
  if (isListType(type)) return values.listOf(valueOf(type.ofType));
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields());
    return values.objectOf(Object.fromEntries(fields.map((one) => [one.name, valueOf(one.type)])));
  }
  if (isEnumType(type)) {
    const names = type.getValues().map(({ name }) => ({ json: JSON.stringify(name), literal: name }));
    return fc.constantFrom(...names);
  }
  const scalars: Readonly<Record<string, fc.Arbitrary<values.Value>>> = {
    ID: values.id,
    Int: values.integer,
    SafeInt: values.integer,
    JSONObject: values.object,
    JSON: values.anything,
    DateTime: values.moment,
    Boolean: fc.constantFrom('true', 'false').map((text) => ({ json: text, literal: text })),
  };
  return scalars[type.name] ?? values.string;
}

/** Types of variables: the right one mostly. */
function declaredAs(type: GraphQLInputType): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.constant(String(type)) },
    { weight: 1, arbitrary: fc.constantFrom('String', 'Int!', '[ID!]!', 'JSON', 'ContextFilter', 'Context', 'Nobody') },
  );
}

function argument(name: string, type: GraphQLInputType): fc.Arbitrary<Part> {
  const value = fc.oneof({ weight: 25, arbitrary: valueOf(type) }, { weight: 1, arbitrary: values.anything });
  const literal = value.map(
    ({ literal: text }): Part =>
      () =>
        `${name}: ${text}`,
  );
  const variable = fc.record({ value, declared: declaredAs(type), isSent: fc.nat(9), fallback: seldom(value) }).map(
    ({ value: { json }, declared, isSent, fallback }): Part =>
      (printer) => {
        const own = printer.name('v');
        printer.declarations.push(`$${own}: ${declared}${fallback === undefined ? '' : ` = ${fallback.literal}`}`);
        if (isSent > 0) printer.variables.push(`${JSON.stringify(own)}:${json}`);
        return `${name}: $${own}`;
      },
  );
  return fc.oneof(literal, variable);
}

/** Required arguments mostly, others sometimes. */
function argumentsOf({ args }: Pick<GraphQLField<unknown, unknown>, 'args'>): fc.Arbitrary<Part> {
  if (args.length === 0) return fc.constant(() => '');
  const parts = args.map((one) =>
    fc.option(argument(one.name, one.type), { freq: isNonNullType(one.type) ? 30 : 2, nil: undefined }),
  );
  return fc.tuple(...parts).map((given) => (printer) => {
    const texts = given.flatMap((part) => (part === undefined ? [] : [part(printer)]));
    return texts.length === 0 ? '' : `(${texts.join(', ')})`;
  });
}

const directive: fc.Arbitrary<Part> = fc.oneof(
  { weight: 300, arbitrary: fc.constant<Part>(() => '') },
  {
    weight: 15,
    arbitrary: argument('if', schema.getDirective('skip')?.args[0]?.type ?? fail('no @skip')).map(
      (part): Part =>
        (printer) =>
          ` @include(${part(printer)})`,
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(' @skip(if: false)', ' @skip(if: true) @include(if: true)', ' @defer', ' @stream(initialCount: 0)')
      .map(
        (text): Part =>
          () =>
            text,
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(' @skip', ' @deprecated', ' @nobody(a: 1)', ' @oneOf', ' @specifiedBy(url: "x")').map(
      (text): Part =>
        () =>
          text,
    ),
  },
);

function field(one: GraphQLField<unknown, unknown>, depth: number): fc.Arbitrary<Part> {
  return fc
    .record({
      alias: fc.oneof(
        { weight: 8, arbitrary: fc.constant('') },
        { weight: 1, arbitrary: fc.constantFrom('a: ', 'id: ') },
      ),
      given: argumentsOf(one),
      directives: directive,
      selected: selectionOf(one.type, depth + 1),
    })
    .map(
      ({ alias, given, directives, selected }): Part =>
        (printer) => {
          const own = alias === 'a: ' ? `${printer.name('a')}: ` : alias;
          return `${own}${one.name}${given(printer)}${directives(printer)}${selected(printer)}`;
        },
    );
}

/** Made when it is asked for: a type may lead back to itself. */
const selections = new Map<string, fc.Arbitrary<Part>>();

function selectionOf(type: GraphQLOutputType, depth: number): fc.Arbitrary<Part> {
  const named = getNamedType(type);
  if (!isCompositeType(named)) return fc.constant(() => '');
  const key = `${named.name} ${depth}`;
  const known = selections.get(key);
  if (known !== undefined) return known;
  const made = membersOf(named, depth).map(
    (part): Part =>
      (printer) =>
        ` { ${part(printer)} }`,
  );
  selections.set(key, made);
  return made;
}

function membersOf(type: GraphQLNamedType, depth: number): fc.Arbitrary<Part> {
  const typename: fc.Arbitrary<Part> = fc.constant(() => '__typename');
  const own = 'getFields' in type ? Object.values(type.getFields()) : [];
  // Fields of an input are no part of a selection.
  const fields = (own as readonly GraphQLField<unknown, unknown>[]).filter(
    (one) => depth < maxDepth || !isCompositeType(getNamedType(one.type)),
  );
  const inner = isAbstractType(type) && depth < maxDepth ? [...schema.getPossibleTypes(type)] : [];
  const all = [
    typename,
    ...fields.map((one) => field(one, depth)),
    ...inner.map((one: GraphQLObjectType) => fragment(one.name, membersOf(one, depth + 1))),
  ];
  return fc.array(fc.oneof(...all), { minLength: 1, maxLength: 5 }).map(
    (parts): Part =>
      (printer) =>
        parts.map((part) => part(printer)).join(' '),
  );
}

/** Inline, or by its name. */
function fragment(type: string, members: fc.Arbitrary<Part>): fc.Arbitrary<Part> {
  return fc.record({ members, directives: directive, isNamed: fc.boolean() }).map(
    (made): Part =>
      (printer) => {
        const text = `{ ${made.members(printer)} }`;
        const directives = made.directives(printer);
        if (!made.isNamed) return `... on ${type}${directives} ${text}`;
        const name = printer.name('F');
        printer.definitions.push(`fragment ${name} on ${type} ${text}`);
        return `...${name}${directives}`;
      },
  );
}

const roots = (['query', 'mutation', 'subscription'] as const).flatMap((kind) => {
  const type = schema.getRootType(kind as Parameters<typeof schema.getRootType>[0]);
  return Object.values(type?.getFields() ?? {}).map((one) => ({ kind, one }));
});

/** The names of all root fields: every one of them must have been asked for. */
export const rootFields: readonly string[] = roots.map(({ one }) => one.name);

const generated: fc.Arbitrary<Document> = fc
  .constantFrom(...new Set(roots.map(({ kind }) => kind)))
  .chain((kind) => {
    const fields = roots.filter((root) => root.kind === kind).map(({ one }) => field(one, 0));
    return fc.record({
      kind: fc.constant(kind),
      parts: fc.array(fc.oneof(...fields), { minLength: 1, maxLength: kind === 'subscription' ? 1 : 3 }),
      operationName: fc.oneof(
        { weight: 12, arbitrary: fc.constantFrom(undefined, 'O') },
        { weight: 1, arbitrary: fc.constantFrom('O2', '', '__proto__') },
      ),
      more: fc.oneof(
        { weight: 12, arbitrary: fc.constant('') },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            ' query O2 { viewer { viewerId } }',
            ' subscription O2 { contextChanged(id: "a") { version } }',
            ' { __typename }',
            ' query O { __typename }',
            ' type T { a: Int }',
            ' extend type Query { a: Int }',
          ),
        },
      ),
    });
  })
  .map(({ kind, parts, operationName, more }) => {
    const printer = new Printer();
    // As aliases: the same field twice must not differ in its arguments.
    const text = parts.map((part, index) => (index === 0 ? part(printer) : `r${index}: ${part(printer)}`)).join(' ');
    const declared = printer.declarations.length === 0 ? '' : `(${printer.declarations.join(', ')})`;
    return {
      query: `${kind} O${declared} { ${text} }${printer.definitions.map((one) => ` ${one}`).join('')}${more}`,
      variables: `{${printer.variables.join(',')}}`,
      operationName,
    };
  });

const spoiled: fc.Arbitrary<Document> = fc
  .tuple(generated, mutate(fc.constant('')))
  .chain(([document]) => mutate(fc.constant(document.query)).map((query) => ({ ...document, query })));

/** Every kind of document. */
export const document: fc.Arbitrary<Document> = fc.oneof(
  { weight: 18, arbitrary: generated },
  { weight: 2, arbitrary: oddDocument },
  { weight: 2, arbitrary: spoiled },
);

function fail(what: string): never {
  throw new Error(what);
}
