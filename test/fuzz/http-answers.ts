/** Reads what an HTTP server wrote on a connection, and believes none of it (RFC 9112). */

/** One answer. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** What cannot be an answer; the message says where. */
export class MalformedAnswer extends Error {}

/** How the bytes came to be. */
export interface Reading {
  /** Whether somebody else than the server ended it: then the last answer may lack something. */
  readonly isCut: boolean;
  /** Whether an answer may be one to HEAD, which has no body whatever its headers say. */
  readonly hasHead: boolean;
}

/** @throws MalformedAnswer */
export function readAnswers(bytes: Buffer, reading: Reading): readonly HttpAnswer[] {
  const answers: HttpAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) {
      if (reading.isCut) return answers;
      throw malformed('headers without an end', bytes, at);
    }
    const { status, headers } = parseHead(bytes.toString('latin1', at, end));
    at = end + 4;
    if (status === 101) return [...answers, { status, headers, body: '' }];
    if (status < 200) continue;
    const { body, next } = readBody(bytes, at, { ...reading, status, headers });
    answers.push({ status, headers, body });
    at = next;
  }
  return answers;
}

function parseHead(text: string): Pick<HttpAnswer, 'status' | 'headers'> {
  const [first = '', ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*$/.exec(first)?.[1]);
  if (!Number.isInteger(status)) throw new MalformedAnswer(`status line ${JSON.stringify(first)}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^`|~\w-]+): ?([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new MalformedAnswer(`header ${JSON.stringify(line)}`);
    headers.set(name.toLowerCase(), value);
  }
  return { status, headers };
}

type Expected = Reading & Pick<HttpAnswer, 'status' | 'headers'>;

function readBody(bytes: Buffer, at: number, expected: Expected): { readonly body: string; readonly next: number } {
  const { status, headers, isCut, hasHead } = expected;
  const isNext = bytes.length === at || bytes.toString('latin1', at, at + 5) === 'HTTP/';
  if (status === 204 || status === 304 || (hasHead && isNext)) return { body: '', next: at };
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(bytes, at, isCut);
  const length = headers.get('content-length');
  // Without a length the body ends with the connection.
  const end = length === undefined ? bytes.length : at + Number(length);
  if (length !== undefined && !/^\d+$/.test(length)) throw new MalformedAnswer(`content-length ${length}`);
  if (end > bytes.length && !isCut) throw malformed(`a body of ${length}`, bytes, at);
  return { body: bytes.toString('utf8', at, end), next: Math.min(end, bytes.length) };
}

function readChunks(bytes: Buffer, from: number, isCut: boolean): { readonly body: string; readonly next: number } {
  const chunks: Buffer[] = [];
  for (let at = from; ; ) {
    const end = bytes.indexOf('\r\n', at);
    const size = /^[\da-fA-F]{1,8}$/.test(bytes.toString('latin1', at, end)) ? bytes.toString('latin1', at, end) : '';
    const next = end + 2 + Number.parseInt(size, 16);
    if (end < 0 || (size !== '' && next + 2 > bytes.length)) {
      if (isCut) return { body: Buffer.concat(chunks).toString(), next: bytes.length };
      throw malformed('chunks without an end', bytes, at);
    }
    if (size === '' || bytes.toString('latin1', next, next + 2) !== '\r\n') throw malformed('a chunk', bytes, at);
    if (next === end + 2) return { body: Buffer.concat(chunks).toString(), next: next + 2 };
    chunks.push(bytes.subarray(end + 2, next));
    at = next + 2;
  }
}

function malformed(what: string, bytes: Buffer, at: number): MalformedAnswer {
  return new MalformedAnswer(`${what}: ${JSON.stringify(bytes.toString('latin1', at, at + 300))}`);
}
