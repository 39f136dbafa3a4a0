/** Words of the heads of HTTP requests, each character a byte. */

/** A line of the head. */
export type Header = readonly [name: string, value: string];

/** Methods that GraphQL does not go by. */
export const oddMethods = [
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'PATCH',
  'TRACE',
  'CONNECT',
  'M-SEARCH',
  'PRI',
  'post',
  'G(T',
  '',
];

/** Of a body that is JSON, mostly. */
export const mediaTypes = [
  'application/json; charset=utf-8',
  'application/json; charset=utf-16',
  'application/graphql',
  'application/graphql+json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'text/plain',
  'text/plain;application/json',
  'application/xml',
  'application/octet-stream',
  ';',
  '',
];

/** What a client says it takes. */
export const accepts = [
  'application/graphql-response+json',
  'application/json',
  'text/event-stream',
  '*/*',
  'text/html',
  'multipart/mixed',
  'application/json;q=0, text/event-stream;q=0.1',
  'text/event-stream, application/json',
  'image/png',
  '*',
  ';;;,',
  'a/b'.repeat(900),
];

/** Any other header that the server, a library or a proxy could look at. */
export const otherHeaders: readonly Header[] = [
  ['Origin', 'https://app.example.com'],
  ['Origin', 'https://evil.example'],
  ['Origin', 'null'],
  ['Origin', '\x80'],
  ['Last-Event-ID', '-'],
  ['Last-Event-ID', 'abc:1'],
  ['Last-Event-ID', 'abc:9999999999999999'],
  ['Last-Event-ID', '\xe9'],
  ['Cookie', 'a=b; __proto__=c'],
  ['X-Request-Id', 'abc.DEF-1'],
  ['X-Request-Id', 'x'.repeat(300)],
  ['X-Request-Id', '<script>\xff'],
  ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  ['traceparent', '00-0-0-zz'],
  ['tracestate', 'a=b,'.repeat(200)],
  ['baggage', '%ff=%00'],
  ['X-Forwarded-For', '1.2.3.4, 999.1.1.1, ::1, unknown'],
  ['X-Forwarded-Proto', 'https, gopher'],
  ['X-Forwarded-Host', 'evil.example:99999'],
  ['Forwarded', 'for="[::1]";proto=x'],
  ['Access-Control-Request-Method', 'POST'],
  ['Access-Control-Request-Headers', 'a, \xff'],
  ['Expect', '100-continue'],
  ['Expect', 'nothing'],
  ['Upgrade', 'h2c'],
  ['Upgrade', 'websocket'],
  ['Connection', 'keep-alive, Upgrade'],
  ['Connection', 'close'],
  ['Content-Encoding', 'gzip'],
  ['Content-Encoding', 'br, deflate'],
  ['Content-Encoding', 'nothing'],
  ['Accept-Encoding', 'gzip, br;q=1.0, *;q=0'],
  ['If-None-Match', '*'],
  ['Range', 'bytes=0-1,5-'],
  ['TE', 'trailers'],
  ['Sec-Fetch-Site', 'cross-site'],
  ['__proto__', 'a'],
  ['constructor', 'b'],
  ['X'.repeat(2_000), 'y'.repeat(2_000)],
  ['X-Large', 'y'.repeat(20_000)],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Version', '13'],
  ['apollo-require-preflight', 'true'],
];

/** Names of another server, or of none. */
export const hosts = [
  'localhost:4000',
  'chord.example',
  '127.0.0.1',
  '[::1]:1',
  '',
  'a b',
  '[::1',
  'x:99999',
  '\xe9',
  'a/b?c#d',
  '@',
  'user:word@host',
  '0x7f.1',
  '%00',
];
