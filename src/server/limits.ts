import { Lexer, Source, syntaxError, TokenKind } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** A document of so many tokens, or nested so deep, is no mistake of a person's; parser and validator recurse. */
const maxTokens = 10_000;
const maxNesting = 500;

/** Refuses such documents as ones that do not parse, over every transport. */
export const limitDocuments: Plugin = {
  onParse: ({ parseFn, setParseFn }) => {
    setParseFn((text, options) => {
      const source = text instanceof Source ? text : new Source(text);
      assertShallow(source);
      return parseFn(source, { ...options, maxTokens });
    });
  },
};

/** @throws GraphQLError at the first bracket that is too deep, and what the lexer reports on the way there. */
function assertShallow(source: Source): void {
  const lexer = new Lexer(source);
  let nesting = 0;
  for (let count = 0; count <= maxTokens; count++) {
    const { kind, start } = lexer.advance();
    if (kind === TokenKind.EOF) return;
    if (opening.has(kind)) nesting++;
    if (closing.has(kind)) nesting--;
    if (nesting > maxNesting) throw syntaxError(source, start, `Document nests deeper than ${maxNesting} levels.`);
  }
}

const opening = new Set<string>([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing = new Set<string>([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);
