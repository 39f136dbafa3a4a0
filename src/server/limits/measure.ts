/**
 * How much a document asks for, told before anything of it is done.
 *
 * Each fragment is measured once, so that a document whose fragments double each
 * other costs no more than its text. Cycles, which the validation refuses, count as nothing.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** Of an operation, its fragments written out. */
export interface Measure {
  /** Levels of fields; one for introspection, however deep: graphql-js bounds it itself (MaxIntrospectionDepthRule). */
  readonly depth: number;
  /** Fields under another name, or named again in the same selection: each may be one more call. */
  readonly aliases: number;
  /** Fields of the answer, those within a field with a `limit` as often as it says, and `offset`s; at most 2^53 - 1. */
  readonly cost: number;
}

/** An argument of pages. Where the schema has none it is `otherwise`; what is out of bounds counts as the most. */
interface PageArgument {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly otherwise: number;
}

/** The variables as they were sent. */
export type Variables = Readonly<Record<string, unknown>> | null | undefined;

/** The longest page that the schema serves; a greater `limit` is refused when it runs. */
const limits: PageArgument = { name: 'limit', min: 1, max: 250, otherwise: 1 };
/** What is left out is looked at all the same. */
const offsets: PageArgument = { name: 'offset', min: 0, max: 1_000, otherwise: 0 };
const nothing: Measure = { depth: 0, aliases: 0, cost: 0 };

/** The largest of each over all operations, whatever their variables. */
export function measureDocument(schema: GraphQLSchema, document: DocumentNode): Pick<Measure, 'depth' | 'aliases'> {
  const walk = new Walk(schema, document, undefined);
  const sizes = document.definitions.map((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? walk.operation(definition) : nothing,
  );
  return {
    depth: sizes.reduce((max, { depth }) => Math.max(max, depth), 0),
    aliases: sizes.reduce((max, { aliases }) => Math.max(max, aliases), 0),
  };
}

/** What the operation with this name costs; 0 when there is none. */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  { operationName, variables }: { readonly operationName: string | null | undefined; readonly variables: Variables },
): number {
  const operation = getOperationAST(document, operationName);
  if (!operation) return 0;
  const known = fixedCosts.get(operation);
  if (known !== undefined) return known;
  const walk = new Walk(schema, document, variables);
  const { cost } = walk.operation(operation);
  if (!walk.usedVariables) fixedCosts.set(operation, cost);
  return cost;
}

/** How many root fields that write the operation with this name has, if it is a mutation; 0 otherwise. */
export function writesOf(document: DocumentNode, operationName: string | null | undefined): number {
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.MUTATION) return 0;
  const fragments = new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition.selectionSet] as const] : [],
    ),
  );
  const names = new Set<string>();
  const spread = new Set<string>();
  const collect = ({ selections }: SelectionSetNode) => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        if (!notWrites.has(selection.name.value)) names.add((selection.alias ?? selection.name).value);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
      else if (!spread.has(selection.name.value)) {
        spread.add(selection.name.value);
        const inside = fragments.get(selection.name.value);
        if (inside !== undefined) collect(inside);
      }
    }
  };
  collect(operation.selectionSet);
  return names.size;
}

/** Mutations that write no context: who writes much must be able to stay, and administrators to act. */
const notWrites = new Set(['__typename', 'endRevocation', 'refreshCredentials', 'revokeAccess']);

/** Of operations without a variable as a `limit` or `offset`: documents are kept, and asked again and again. */
const fixedCosts = new WeakMap<OperationDefinitionNode, number>();

type AnyField = GraphQLField<unknown, unknown>;

class Walk {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Variables;
  readonly #measured = new Map<string, Measure>();
  #defaults: ReadonlyMap<string, unknown> = new Map();
  usedVariables = false;

  constructor(schema: GraphQLSchema, document: DocumentNode, variables: Variables) {
    this.#schema = schema;
    this.#variables = variables;
    this.#fragments = new Map(
      document.definitions.flatMap((definition) =>
        definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [],
      ),
    );
  }

  operation({ operation, selectionSet, variableDefinitions = [] }: OperationDefinitionNode): Measure {
    this.#measured.clear();
    this.#defaults = new Map(
      variableDefinitions.map(({ variable, defaultValue }) => [
        variable.name.value,
        defaultValue?.kind === Kind.INT ? Number(defaultValue.value) : undefined,
      ]),
    );
    return this.#selections(selectionSet, this.#schema.getRootType(operation) ?? undefined);
  }

  #selections({ selections }: SelectionSetNode, parent: GraphQLCompositeType | undefined): Measure {
    const names = new Set<string>();
    let { depth, aliases, cost } = nothing;
    for (const selection of selections) {
      const size = this.#selection(selection, parent);
      depth = Math.max(depth, size.depth);
      aliases = sum(aliases, size.aliases);
      cost = sum(cost, size.cost);
      if (selection.kind !== Kind.FIELD) continue;
      if (selection.alias !== undefined || names.has(selection.name.value)) aliases = sum(aliases, 1);
      names.add(selection.name.value);
    }
    return { depth, aliases, cost };
  }

  #selection(selection: SelectionNode, parent: GraphQLCompositeType | undefined): Measure {
    switch (selection.kind) {
      case Kind.FIELD:
        return this.#field(selection, parent);
      case Kind.INLINE_FRAGMENT:
        return this.#selections(selection.selectionSet, this.#typeOf(selection.typeCondition?.name.value) ?? parent);
      case Kind.FRAGMENT_SPREAD:
        return this.#fragment(selection.name.value);
    }
  }

  #fragment(name: string): Measure {
    const known = this.#measured.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    if (fragment === undefined) return nothing;
    // What a cycle comes back to.
    this.#measured.set(name, nothing);
    const measure = this.#selections(fragment.selectionSet, this.#typeOf(fragment.typeCondition.name.value));
    this.#measured.set(name, measure);
    return measure;
  }

  #field(node: FieldNode, parent: GraphQLCompositeType | undefined): Measure {
    if (node.selectionSet === undefined) return { depth: 1, aliases: 0, cost: 1 };
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    const type = field === undefined ? undefined : getNamedType(field.type);
    const { depth, aliases, cost } = this.#selections(node.selectionSet, isCompositeType(type) ? type : undefined);
    const isIntrospection = node.name.value.startsWith('__');
    const times = this.#page(limits, node, field);
    const passed = this.#page(offsets, node, field);
    return {
      depth: isIntrospection ? 1 : depth + 1,
      aliases,
      cost: Math.min(1 + passed + times * cost, Number.MAX_SAFE_INTEGER),
    };
  }

  #page(argument: PageArgument, { arguments: given = [] }: FieldNode, field: AnyField | undefined): number {
    const usual: unknown = field?.args.find(({ name }) => name === argument.name)?.defaultValue;
    if (typeof usual !== 'number') return argument.otherwise;
    const value = given.find(({ name }) => name.value === argument.name)?.value;
    switch (value?.kind) {
      case Kind.INT:
        return bounded(argument, Number(value.value));
      case Kind.VARIABLE: {
        const { value: name } = value.name;
        this.usedVariables = true;
        const sent = this.#variables?.[name] ?? this.#defaults.get(name);
        return typeof sent === 'number' ? bounded(argument, sent) : usual;
      }
      default:
        return usual;
    }
  }

  #typeOf(name: string | undefined): GraphQLCompositeType | undefined {
    const type = name === undefined ? undefined : this.#schema.getType(name);
    return isCompositeType(type) ? type : undefined;
  }
}

/** A nonsensical number must not make a query cheap. */
function bounded({ min, max }: PageArgument, value: number): number {
  return value >= min && value <= max ? value : max;
}

function sum(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}
