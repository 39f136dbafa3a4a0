import type { DocumentNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** Longer documents are parsed each time. */
const maxLength = 8_192;
/** Of all texts together. A parsed document takes a hundred times the memory of its text, and more. */
const maxTotalLength = 128 * 1024;

/**
 * Parsed documents by their text: clients say few, again and again.
 *
 * Bounded in text and not in number, as yoga's own is: a document may be as large as a request, and a thousand of
 * those do not fit into memory.
 */
export class DocumentCache {
  /** The one used last comes last. */
  readonly #documents = new Map<string, DocumentNode>();
  #totalLength = 0;

  get(text: string): DocumentNode | undefined {
    const document = this.#documents.get(text);
    if (document === undefined) return undefined;
    this.#documents.delete(text);
    this.#documents.set(text, document);
    return document;
  }

  set(text: string, document: DocumentNode): void {
    if (text.length > maxLength || this.#documents.has(text)) return;
    this.#documents.set(text, document);
    this.#totalLength += text.length;
    for (const oldest of this.#documents.keys()) {
      if (this.#totalLength <= maxTotalLength) return;
      this.delete(oldest);
    }
  }

  delete(text: string): void {
    if (this.#documents.delete(text)) this.#totalLength -= text.length;
  }
}

/** For yoga: what does not parse, or is not valid, is no text that comes again. */
export const noErrorCache = { get: () => undefined, set: () => undefined };

/** Keeps documents that are not valid out of the cache. */
export function forgetInvalid(documents: DocumentCache): Plugin {
  return {
    onValidate: ({ params: { documentAST } }) => {
      return ({ valid }) => {
        if (!valid) documents.delete(documentAST.loc?.source.body ?? '');
      };
    },
  };
}
