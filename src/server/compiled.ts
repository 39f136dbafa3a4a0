/**
 * Documents that come again and again, compiled by graphql-jit.
 *
 * graphql-js takes 8 to 11 µs for a small operation, most of it to find out anew what the document says; compiled, the
 * same takes 1 to 2. But the compiler is not the reference: it has another mind about `@skip` in fragments, about errors
 * and about literals that are objects. So it gets what leaves no room for that, which is what clients send all day, and
 * everything else is executed by graphql-js: variables are read by graphql-js always; a query with an error is executed
 * by it once more; and of a mutation, which must not be, only what can fail in one place is compiled.
 *
 * It makes JavaScript (`new Function`). Of a client's text nothing gets into that but names, integers and booleans
 * (`isCompilable`).
 */
import {
  type ArgumentNode,
  BREAK,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FieldNode,
  type FragmentDefinitionNode,
  getOperationAST,
  getVariableValues,
  isNonNullType,
  Kind,
  locatedError,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionNode,
  visit,
} from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import { schema } from '../graphql/schema.ts';

/** Longer ones, their fragments written out, take tens of ms to compile, in which nobody else is served. */
const maxLength = 1_000;

type Run = (args: ExecutionArgs, variables: Readonly<Record<string, unknown>>) => ReturnType<typeof execute>;

/** What is known of an operation. */
interface Plan {
  uses: number;
  /** Undefined: it is not compiled. */
  run: Run | undefined;
}

/**
 * The same as `execute` of graphql-js for operations of valid documents of the schema, by what it has compiled.
 *
 * @param compileAfter how often an operation is executed before it is compiled, which takes as long as a hundred times.
 * @param reference executes the others.
 */
export function createCompiledExecute(compileAfter: number, reference = execute): typeof execute {
  const plans = new WeakMap<OperationDefinitionNode, Plan>();
  return (args) => {
    const { document, operationName, variableValues } = args;
    const operation = getOperationAST(document, operationName);
    if (!operation) return reference(args);
    let plan = plans.get(operation);
    if (plan === undefined) {
      plan = { uses: 0, run: undefined };
      plans.set(operation, plan);
    }
    if (plan.uses++ === compileAfter) plan.run = compile(document, operation, reference);
    if (plan.run === undefined) return reference(args);
    const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
    // Nothing runs, and graphql-js says why.
    return coerced === undefined ? reference(args) : plan.run(args, coerced);
  };
}

/** Undefined: it is not one for the compiler. */
function compile(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  reference: typeof execute,
): Run | undefined {
  const length = Math.max(document.loc?.end ?? Number.POSITIVE_INFINITY, lengthOf(operation, document));
  if (length > maxLength || !isCompilable(document)) return undefined;
  const { operation: type, name } = operation;
  const write = type === OperationTypeNode.MUTATION ? simpleWriteOf(operation) : undefined;
  if (type === OperationTypeNode.MUTATION && write === undefined) return undefined;
  const compiled = compileQuery(schema, withReadVariables(document), name?.value);
  if (!isCompiledQuery(compiled)) return undefined;
  return (args, variables) => {
    const finish = (result: ExecutionResult) => {
      if (result.errors === undefined) return result;
      return write === undefined ? reference(args) : failed(write, result);
    };
    // The compiler's types know no result that is there at once.
    const result: ExecutionResult | Promise<ExecutionResult> = compiled.query(undefined, args.contextValue, variables);
    return result instanceof Promise ? result.then(finish) : finish(result);
  };
}

/** Of its text, with that of each fragment wherever it is spread. */
function lengthOf(operation: OperationDefinitionNode, { definitions }: DocumentNode): number {
  const fragments = new Map(
    definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [],
    ),
  );
  const measured = new Map<string, number>();
  // A valid document has no cycles.
  const measure = (definition: OperationDefinitionNode | FragmentDefinitionNode | undefined): number => {
    if (definition?.loc === undefined) return Number.POSITIVE_INFINITY;
    let length = definition.loc.end - definition.loc.start;
    visit(definition, {
      FragmentSpread: ({ name: { value: name } }) => {
        const inside = measured.get(name) ?? measure(fragments.get(name));
        measured.set(name, inside);
        length += inside;
      },
    });
    return length;
  };
  return measure(operation);
}

/** Whether the compiler takes every part of it as graphql-js does. */
function isCompilable(document: DocumentNode): boolean {
  let isRefused = false;
  const refuse = () => {
    isRefused = true;
    return BREAK;
  };
  visit(document, {
    Directive: refuse,
    // In what is compiled, one that is not given is what all objects have by that name.
    Variable: ({ name }) => (name.value in Object.prototype ? refuse() : undefined),
    Field: ({ name, alias }) => {
      // In what is compiled, a key `__proto__` is no key.
      if (alias?.value === '__proto__' || (name.value.startsWith('__') && name.value !== '__typename')) return refuse();
      return undefined;
    },
    Argument: ({ value: { kind } }) =>
      kind === Kind.VARIABLE || kind === Kind.INT || kind === Kind.BOOLEAN ? undefined : refuse(),
  });
  return !isRefused;
}

/** Variables are checked and have their defaults when the compiled document gets them. */
function withReadVariables(document: DocumentNode): DocumentNode {
  return visit(document, {
    VariableDefinition: ({ kind, variable }) => ({
      kind,
      variable,
      type: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: 'JSON' } },
    }),
  });
}

/** The only field of a mutation of which nothing but its resolver can fail; undefined: there is more to it. */
function simpleWriteOf({ selectionSet, variableDefinitions = [] }: OperationDefinitionNode): FieldNode | undefined {
  const [field, ...others] = selectionSet.selections;
  if (field?.kind !== Kind.FIELD || others.length > 0) return undefined;
  const definition = schema.getMutationType()?.getFields()[field.name.value];
  const required = new Set(
    variableDefinitions.flatMap(({ variable, type }) =>
      type.kind === Kind.NON_NULL_TYPE ? [variable.name.value] : [],
    ),
  );
  const cannotFail = ({ name, value }: ArgumentNode) => {
    const type = definition?.args.find((argument) => argument.name === name.value)?.type;
    return !isNonNullType(type) || value.kind !== Kind.VARIABLE || required.has(value.name.value);
  };
  const isSimple = definition !== undefined && (field.arguments ?? []).every(cannotFail) && areLeaves(field);
  return isSimple ? field : undefined;
}

function areLeaves({ selectionSet }: { readonly selectionSet?: FieldNode['selectionSet'] }): boolean {
  return (selectionSet?.selections ?? []).every((selection: SelectionNode) => {
    if (selection.kind === Kind.FIELD) return selection.selectionSet === undefined;
    return selection.kind === Kind.INLINE_FRAGMENT && areLeaves(selection);
  });
}

/** The result in the words of graphql-js, which knows the field by its node. */
function failed(field: FieldNode, { data = null, errors = [] }: ExecutionResult): ExecutionResult {
  const path = [(field.alias ?? field.name).value];
  return { errors: errors.map((error) => locatedError(error.originalError ?? error, field, path)), data };
}
