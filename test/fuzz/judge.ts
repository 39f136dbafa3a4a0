/** What a server may answer, whatever it was sent: nothing that it did not mean to say. */

/** The codes of docs/protocol.md for errors at the top level; not INTERNAL_SERVER_ERROR, which is always a mistake. */
const errorCodes: ReadonlySet<unknown> = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'LIMIT_EXCEEDED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BACKEND_UNAVAILABLE',
]);

/** The close codes of docs/protocol.md; not 4500, which is always a mistake. */
const closeCodes: ReadonlySet<number> = new Set([
  1002, 1007, 1009, 1012, 1013, 4400, 4401, 4403, 4406, 4408, 4409, 4429, 4800,
]);

/** Words of programs. None of them is in what the fuzzers send. */
const unmasked =
  /node_modules|\.[cm]?[jt]s:\d|file:\/\/|\n\s+at |\b(?:Type|Range|Reference|Syntax|Assertion)Error\b|Cannot read prop|is not a function|is not iterable|ECONN|ENOENT|ERR_[A-Z]|INTERNAL_SERVER_ERROR|Unexpected error/;

/** Counts what was answered to one input, and keeps what must not be. */
export class Judge {
  readonly faults: string[] = [];
  readonly #counts: Map<string, number>;

  /** @param counts how often each status, code and kind of message came, over all inputs. */
  constructor(counts: Map<string, number>) {
    this.#counts = counts;
  }

  count(answer: string): void {
    this.#counts.set(answer, (this.#counts.get(answer) ?? 0) + 1);
  }

  blame(fault: string): void {
    this.faults.push(fault.length > 2_000 ? `${fault.slice(0, 2_000)}…` : fault);
  }

  /** Anything that the server wrote. */
  text(where: string, text: string): void {
    const found = unmasked.exec(text);
    if (found !== null) this.blame(`${where}: unmasked ${JSON.stringify(found[0])} in ${text}`);
  }

  status(status: number): void {
    this.count(String(status));
    if (status >= 500 && status !== 503) this.blame(`status ${status}`);
  }

  /** @param sent what the client closed with, which may be said back (RFC 6455, 5.5.1). */
  closeCode(code: number, reason: string, sent: readonly number[] = []): void {
    this.count(`close ${code}`);
    if (!closeCodes.has(code) && !sent.includes(code)) this.blame(`close code ${code} ${reason}`);
    this.text('close reason', reason);
  }

  /** The body of an answer that says that it is JSON. */
  json(where: string, text: string): void {
    this.text(where, text);
    try {
      const value: unknown = JSON.parse(text);
      if (isObject(value) && ('data' in value || 'errors' in value)) this.result(where, value);
    } catch {
      this.blame(`${where}: no JSON: ${text}`);
    }
  }

  /** The result of an operation as JSON. */
  resultText(where: string, text: string): void {
    try {
      this.result(where, JSON.parse(text));
    } catch {
      this.blame(`${where}: no JSON: ${text}`);
    }
  }

  /** The result of an operation, as GraphQL has it (7.1). */
  result(where: string, result: unknown): void {
    if (!isObject(result)) return this.blame(`${where}: a result that is ${JSON.stringify(result)}`);
    const { data, errors } = result;
    this.count(errors === undefined ? 'result' : 'result with errors');
    if (errors !== undefined) this.errors(where, errors);
    else if (!isObject(data)) this.blame(`${where}: neither data nor errors: ${JSON.stringify(result)}`);
  }

  errors(where: string, errors: unknown): void {
    if (!Array.isArray(errors) || errors.length === 0) {
      return this.blame(`${where}: errors that are ${JSON.stringify(errors)}`);
    }
    // It is an array by the line above, of whatever was sent.
    for (const error of errors as readonly unknown[]) {
      const extensions = isObject(error) ? error['extensions'] : undefined;
      const code = isObject(extensions) ? extensions['code'] : undefined;
      this.count(`${where.split(' ')[0]} ${String(code)}`);
      const isWhole = isObject(error) && typeof error['message'] === 'string' && errorCodes.has(code);
      if (!isWhole) this.blame(`${where}: the error ${JSON.stringify(error)}`);
    }
  }
}

/** An object of JSON. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
