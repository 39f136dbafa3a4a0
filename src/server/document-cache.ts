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
  readonly #documents = new Map<string, Kept>();
  /** That one, once it was used: a map that is never still makes garbage. */
  #last: Kept | undefined;
  #totalLength = 0;

  get(text: string): DocumentNode | undefined {
    return this.#use(text)?.document;
  }

  /** The same of a document that was validated, and that may run: with these rules it always may. */
  valid(text: string): DocumentNode | undefined {
    const kept = this.#use(text);
    return kept?.isValid === true ? kept.document : undefined;
  }

  set(text: string, document: DocumentNode): void {
    if (text.length > maxLength || this.#documents.has(text)) return;
    this.#documents.set(text, { document, isValid: false });
    this.#last = undefined;
    this.#totalLength += text.length;
    for (const oldest of this.#documents.keys()) {
      if (this.#totalLength <= maxTotalLength) return;
      this.delete(oldest);
    }
  }

  delete(text: string): void {
    if (this.#documents.delete(text)) this.#totalLength -= text.length;
  }

  /** Says what validation found of the document, which is forgotten when it is not valid. */
  setValidity(document: DocumentNode, isValid: boolean): void {
    const text = document.loc?.source.body ?? '';
    const kept = this.#documents.get(text);
    if (kept?.document !== document) return;
    if (isValid) kept.isValid = true;
    else this.delete(text);
  }

  #use(text: string): Kept | undefined {
    const kept = this.#documents.get(text);
    if (kept === undefined || kept === this.#last) return kept;
    this.#documents.delete(text);
    this.#documents.set(text, kept);
    this.#last = kept;
    return kept;
  }
}

interface Kept {
  readonly document: DocumentNode;
  isValid: boolean;
}

/** For yoga: what does not parse, or is not valid, is no text that comes again. */
export const noErrorCache = { get: () => undefined, set: () => undefined };

/** Tells the cache which of its documents are valid. */
export function noteValidity(documents: DocumentCache): Plugin {
  return {
    onValidate: ({ params: { documentAST } }) => {
      return ({ valid }) => documents.setValidity(documentAST, valid);
    },
  };
}
