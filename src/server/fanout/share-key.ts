/**
 * Which subscriptions are told the same: those of one document whose results depend on the event alone.
 *
 * The arguments of the root field say what is followed and from where, not how it is told. Of the other variables every
 * value counts.
 */
import {
  type DocumentNode,
  type ExecutionArgs,
  type FieldNode,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';

/** Subscription fields whose source is a PolledEvents (graphql/sync.ts). Others are not shared. */
const polledFields: ReadonlySet<string> = new Set(['contextChanged']);
/** Of a key, in UTF-16 code units. Longer ones are few: a group of one is of no use. */
const maxLength = 1_000;

/** What an operation was asked with. */
type OperationArgs = Pick<ExecutionArgs, 'document' | 'operationName' | 'variableValues'>;

/** The same for all subscriptions of a document that are told the same. Undefined: the operation is on its own. */
export function shareKey({ document, operationName, variableValues }: OperationArgs): string | undefined {
  const names = namesIn(document, operationName);
  if (names === undefined) return undefined;
  const values: unknown[] = [operationName ?? null];
  for (const name of names) {
    if (variableValues == null || !Object.hasOwn(variableValues, name)) {
      // Absent is not null.
      values.push([]);
      continue;
    }
    const value = variableValues[name];
    // What JSON does not tell apart, too, is seldom enough.
    const isPlain = value === null || typeof value === 'boolean' || typeof value === 'string' || Number.isFinite(value);
    if (!isPlain) return undefined;
    values.push([value]);
  }
  const key = JSON.stringify(values);
  return key.length > maxLength ? undefined : key;
}

/** By the operation: the variables that its results depend on, or null. */
const known = new WeakMap<OperationDefinitionNode, readonly string[] | null>();

function namesIn(document: DocumentNode, operationName: string | null | undefined): readonly string[] | undefined {
  const operation = getOperationAST(document, operationName);
  if (!operation) return undefined;
  const before = known.get(operation);
  if (before !== undefined) return before ?? undefined;
  const field = polledRoot(operation);
  const names = field === undefined ? null : variablesBelow(field, document);
  known.set(operation, names);
  return names ?? undefined;
}

/** The one field at the root, when it stands there by itself. */
function polledRoot({ selectionSet, directives = [] }: OperationDefinitionNode): FieldNode | undefined {
  const [field, ...others] = selectionSet.selections;
  if (field?.kind !== Kind.FIELD || others.length > 0 || !polledFields.has(field.name.value)) return undefined;
  return directives.length > 0 || (field.directives ?? []).length > 0 ? undefined : field;
}

function variablesBelow({ selectionSet }: FieldNode, { definitions }: DocumentNode): readonly string[] {
  const names = new Set<string>();
  const fragments = definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  for (const node of selectionSet === undefined ? fragments : [selectionSet, ...fragments]) {
    visit(node, { Variable: ({ name }) => void names.add(name.value) });
  }
  return [...names];
}
