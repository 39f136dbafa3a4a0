/**
 * Limits on what one operation may ask for, over every transport; docs/limits.md says what each bounds. Tokens, depth and
 * aliases depend on the document alone: they are plugins of envelop, and only documents that have passed them run, also by
 * the lane (http/lane.ts) and on a WebSocket. Cost and time depend on the request: execution.ts asks them.
 *
 * Cheap before dear: brackets and tokens before parsing, depth and aliases before validation, cost before execution,
 * when the variables are known. Tokens are what bounds validation, which compares each fragment with each: its worst
 * document of 2,000 tokens takes some 20 ms, of 10,000 some 90 ms.
 *
 * Not GraphQL Armor: it knows nothing of `limit` arguments, and refuses by throwing.
 */
import {
  type ExecutionArgs,
  type GraphQLError,
  getOperationAST,
  Lexer,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  Source,
  syntaxError,
  TokenKind,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LimitExceededError } from '../../errors.ts';
import { rewrite } from '../mask-error.ts';
import { costOf, measureDocument } from './measure.ts';

/** What one operation may ask for. */
export interface QueryLimits {
  readonly maxQueryTokens: number;
  readonly maxQueryDepth: number;
  readonly maxQueryAliases: number;
  readonly maxQueryCost: number;
  /** How long it may take to answer, in ms. */
  readonly queryTimeoutMs: number;
  /** Whether clients may ask for the schema. */
  readonly introspection: boolean;
}

/** A document nested so deep is no mistake of a person's; parser and validator recurse. */
const maxNesting = 500;

/** Enforces the limits of documents. */
export function limitDocuments(limits: QueryLimits): Plugin {
  return {
    onParse: ({ parseFn, setParseFn }) => {
      setParseFn((text, options) => {
        const source = text instanceof Source ? text : new Source(text);
        assertSmall(source, limits.maxQueryTokens);
        return parseFn(source, options);
      });
    },
    onValidate: ({ addValidationRule, validateFn, setValidationFn }) => {
      if (!limits.introspection) addValidationRule(NoSchemaIntrospectionCustomRule);
      setValidationFn((...args) => {
        // The first two arguments of graphql-js's `validate`.
        const [schema, document] = args as Parameters<typeof measureDocument>;
        const { depth, aliases } = measureDocument(schema, document);
        if (aliases > limits.maxQueryAliases) return [limitError('maxQueryAliases', limits.maxQueryAliases, aliases)];
        if (depth > limits.maxQueryDepth) return [limitError('maxQueryDepth', limits.maxQueryDepth, depth)];
        return validateFn(...args);
      });
    },
  };
}

/** What an error says beside the limit: further extensions. `http` is for yoga, which does not send it. */
export interface LimitDetails {
  readonly actual: number;
  /** Instead of the usual one. */
  readonly message?: string;
  readonly outcome?: 'UNKNOWN';
  readonly retryAfterMs?: number;
  readonly http?: { readonly status: number; readonly headers?: Readonly<Record<string, string>> };
}

/**
 * A refusal of a whole request as the mask lets it pass, with the name of the option.
 *
 * @param details the value seen, or that and more.
 */
export function limitError(option: string, max: number, details: number | LimitDetails): GraphQLError {
  const { actual, message: text, ...more }: LimitDetails = typeof details === 'number' ? { actual: details } : details;
  const { code, message } = new LimitExceededError(option, max, actual);
  // Clients that only know application/json expect 200, as with a document that is not valid.
  return rewrite(undefined, text ?? message, { code, option, max, actual, http: { status: 400, spec: true }, ...more });
}

/** @throws GraphQLError at the first token or bracket that is too much, and what the lexer reports on the way there. */
function assertSmall(source: Source, maxTokens: number): void {
  const lexer = new Lexer(source);
  let nesting = 0;
  for (let count = 0; ; count++) {
    const { kind, start } = lexer.advance();
    if (kind === TokenKind.EOF) return;
    if (count === maxTokens) throw limitError('maxQueryTokens', maxTokens, count + 1);
    if (opening.has(kind)) nesting++;
    if (closing.has(kind)) nesting--;
    if (nesting > maxNesting) throw syntaxError(source, start, `Document nests deeper than ${maxNesting} levels.`);
  }
}

const opening = new Set<string>([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing = new Set<string>([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** What an operation is answered that does not run, or is no longer waited for. */
export type RefusedResult = { readonly errors: readonly GraphQLError[] };

/** Undefined: it costs no more than it may. */
export function refuseCost(args: ExecutionArgs, max: number): RefusedResult | undefined {
  const { schema, document, operationName, variableValues: variables } = args;
  const cost = costOf(schema, document, { operationName, variables });
  return cost > max ? { errors: [limitError('maxQueryCost', max, cost)] } : undefined;
}

/**
 * What the operation answers, or after `timeoutMs` that it was not done. It goes on all the same: a write that was
 * begun is stored or not by its own rules, and stopping in between could only leave that unsaid.
 */
export function inTime<T>(
  run: () => T | Promise<T>,
  args: ExecutionArgs,
  timeoutMs: number,
): T | Promise<T | RefusedResult> {
  const running = run();
  if (!(running instanceof Promise)) return running;
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      const actual = Math.ceil(performance.now() - startMs);
      resolve({ errors: [lateError(args, timeoutMs, actual)] });
    }, timeoutMs);
    running.then(
      (result) => {
        clearTimeout(timer);
        // A subscription that nobody waits for any more.
        if (isLate) return leave(result);
        resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

function lateError({ document, operationName }: ExecutionArgs, max: number, actual: number): GraphQLError {
  const isWrite = getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION;
  return limitError('queryTimeoutMs', max, {
    actual,
    message: `The operation was not done after ${max} ms (queryTimeoutMs).`,
    ...(isWrite ? { outcome: 'UNKNOWN' } : {}),
    http: { status: 503 },
  });
}

function leave(result: unknown): void {
  if (typeof result !== 'object' || result === null || !(Symbol.asyncIterator in result)) return;
  // It is an iterable by the line above; one that fails while it ends has nobody left to tell.
  const iterator = (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  iterator.return?.().catch(() => undefined);
}
