import { randomBytes } from 'node:crypto';

/** Words that nobody else says, to be looked for where they must not be. */
export class Marks {
  readonly #marks = new Map<string, string>();

  /** A new one, of letters and digits alone: no notation changes it. */
  make(what: string): string {
    return this.add(what, `mark${randomBytes(16).toString('hex')}`);
  }

  /** One that had to be of a certain form. Answers it. */
  add(what: string, text: string): string {
    this.#marks.set(text, what);
    return text;
  }

  /** What the marks stand for that are in the text: as they are, in any case, in hexadecimal digits or in base64. */
  in(text: string): readonly string[] {
    const lower = text.toLowerCase();
    return [...this.#marks].flatMap(([mark, what]) => {
      const isThere =
        lower.includes(mark.toLowerCase()) ||
        lower.includes(Buffer.from(mark).toString('hex')) ||
        base64Forms(mark).some((form) => text.includes(form));
      return isThere ? [what] : [];
    });
  }
}

/** The lines that hold marks, each with what they stand for: none should be. */
export function linesWith(marks: Marks, text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const found = marks.in(line);
    return found.length === 0 ? [] : [`${found.join(', ')}: ${line}`];
  });
}

/** As it looks in base64 behind any other text: the letters at its ends depend on its neighbours, and are left out. */
function base64Forms(mark: string): readonly string[] {
  return [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(mark)]).toString('base64');
    return text.slice(4, text.length - 4);
  });
}
