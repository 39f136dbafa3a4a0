/** Messages of graphql-transport-ws, as a client sends them, and as none should. */
import * as fc from 'fast-check';
import { document } from './documents.ts';
import * as values from './values.ts';

/** As JSON: `JSON.parse` makes keys of these that a literal cannot have. */
const operationIds = ['"1"', '"1"', '"2"', '"__proto__"', '"constructor"', '""', `"${'x'.repeat(1_000)}"`];
const wrongIds = ['1', 'null', '{}', '"\\ud800"', '["1"]', 'true'];

/** `common` messages keep a connection open, mostly; `odd` ones end it, mostly. */
export function messages(
  credentials: readonly (string | undefined)[],
): Readonly<Record<'common' | 'odd', fc.Arbitrary<string>>> {
  const init = fc.oneof(
    fc.constantFrom(...credentials).map((value) => {
      const payload = value === undefined ? '' : `,"payload":{"authorization":${JSON.stringify(value)}}`;
      return `{"type":"connection_init"${payload}}`;
    }),
    values.anything.map(({ json }) => `{"type":"connection_init","payload":${json}}`),
    fc.constantFrom(
      '{"type":"connection_init","payload":{"authorization":["Bearer x"]}}',
      '{"type":"connection_init","payload":{"__proto__":{"authorization":"Bearer x"}}}',
    ),
  );
  const id = fc.oneof(
    { weight: 25, arbitrary: fc.constantFrom(...operationIds) },
    { weight: 1, arbitrary: fc.constantFrom(...wrongIds) },
  );
  const payload = fc.oneof(
    {
      weight: 12,
      arbitrary: document.map(({ query, variables, operationName }) => {
        const name = operationName === undefined ? '' : `,"operationName":${JSON.stringify(operationName)}`;
        return `{"query":${JSON.stringify(query)},"variables":${variables}${name}}`;
      }),
    },
    {
      weight: 5,
      arbitrary: fc
        .constantFrom(...values.ids)
        .map(
          (context) =>
            `{"query":"subscription ($id: ID!) { contextChanged(id: $id) { __typename version } }","variables":{"id":${JSON.stringify(context)}}}`,
        ),
    },
    { weight: 1, arbitrary: values.object.map(({ json }) => `{"query":"{ __typename }","extensions":${json}}`) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        values.anything.map(({ json }) => json),
        values.anything.map(({ json }) => `{"query":"{ __typename }","extensions":${json}}`),
        values.anything.map(({ json }) => `{"query":${json}}`),
      ),
    },
  );
  const subscribe = fc
    .record({ id, payload })
    .map((made) => `{"id":${made.id},"type":"subscribe","payload":${made.payload}}`);
  const common = fc.oneof(
    { weight: 8, arbitrary: subscribe },
    { weight: 3, arbitrary: id.map((one) => `{"id":${one},"type":"complete"}`) },
    { weight: 1, arbitrary: values.anything.map(({ json }) => `{"type":"ping","payload":${json}}`) },
  );
  // Most of these end the connection.
  const odd = fc.oneof(
    init,
    values.anything.map(({ json }) => json),
    fc.constantFrom(
      '{"type":"ping"}',
      '{"type":"pong"}',
      '{"type":"connection_ack"}',
      '{"id":"1","type":"next","payload":{}}',
      '{"id":"1","type":"error","payload":[]}',
      '{"type":"__proto__"}',
      '{"type":"subscribe"}',
      '{"type":null}',
      '[]',
      'null',
      '"connection_init"',
      '',
      '{',
      '\ufeff{"type":"ping"}',
      '['.repeat(30_000),
      ' '.repeat(70_000),
      `{"type":"ping","payload":{"a":"${'x'.repeat(60_000)}"}}`,
    ),
  );
  return { common, odd };
}
