/* What a socket is sent of results that are written once for many is, byte for byte, what it is sent of its own. */
import { get } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningApp, startApp, stopApps } from '../../support/app.ts';
import { eventSelection } from '../../support/transports.ts';
import { until } from '../../support/wait.ts';
import { RawWebSocket } from '../raw-websocket.ts';

let server: RunningApp;

beforeEach(async () => {
  server = await startApp();
});
afterEach(async () => {
  await stopApps();
});

/** One operation, by what its document selects. */
interface Told {
  readonly id: string;
  /** By the names of the operations; the first is asked for. */
  readonly operations: Readonly<Record<string, string>>;
  /** For the selections that depend on it. */
  readonly more?: boolean;
}

const moreSelection = '... @include(if: $more) { contextId } epoch version';

const tolds: readonly Told[] = [
  { id: '1', operations: { All: eventSelection } },
  { id: '2"\\\u2028', operations: { All: eventSelection } },
  { id: '__proto__', operations: { All: eventSelection } },
  { id: 'less', operations: { All: 'version' } },
  { id: 'first', operations: { A: 'version', B: 'epoch' } },
  { id: 'second', operations: { B: 'epoch', A: 'version' } },
  { id: 'with', operations: { More: moreSelection }, more: true },
  { id: 'without', operations: { More: moreSelection }, more: false },
];

/** Sorted, so that the order in which operations are named changes no document. */
function documentOf(operations: Told['operations'], rootOf: (name: string, selection: string) => readonly string[]) {
  return Object.entries(operations)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, selection]) => {
      const [root = '', ...fragments] = rootOf(name, selection);
      const variables = selection.includes('$more') ? '$id: ID!, $more: Boolean!' : '$id: ID!';
      return [`subscription ${name}(${variables}) { ${root} }`, ...fragments].join('\n');
    })
    .join('\n');
}

const followed = (selection: string) => `contextChanged(id: $id) { ${selection} }`;
const sharedBy = ({ operations }: Told) => documentOf(operations, (_name, selection) => [followed(selection)]);
/** The same, as no group has it. */
const ownBy = ({ operations }: Told) =>
  documentOf(operations, (name, selection) => [
    `...Root${name}`,
    `fragment Root${name} on Subscription { ${followed(selection)} }`,
  ]);

const shared = sharedBy({ id: '', operations: { All: eventSelection } });
const own = ownBy({ id: '', operations: { All: eventSelection } });

test('over WebSocket, each operation under its id, and as it was asked for', async () => {
  const follow = async ({ id, operations, more }: Told, query: string) => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const texts: string[] = [];
    socket.socket.on('message', (data: Buffer) => texts.push(data.toString()));
    const variables = { id: 'c', ...(more === undefined ? {} : { more }) };
    const [operationName] = Object.keys(operations);
    socket.send({ id, type: 'subscribe', payload: { query, operationName, variables } });
    await until('the beginning', () => texts.length === 1);
    return { texts, socket };
  };
  const pairs = await Promise.all(
    tolds.map(async (told) => [await follow(told, ownBy(told)), await follow(told, sharedBy(told))] as const),
  );
  const { chord } = server.app;
  for (let n = 0; n < 50; n++) {
    // Also messages of more than 64 KiB, whose length is written in another way.
    const long = 'x'.repeat(n % 10 === 7 ? 70_000 : n * 40);
    if (n % 20 === 19) await chord.deleteContext('c');
    else await chord.setContext('c', { n, text: 'é\u2028"\ud800', [`k${n % 7}`]: [long] });
    await until(`change ${n}`, () =>
      pairs
        .flat()
        .every(({ texts, socket }) => texts.length === n + 2 || socket.socket.readyState > socket.socket.OPEN),
    );
  }

  for (const [index, [{ texts: ownTexts }, { texts: sharedTexts }]] of pairs.entries()) {
    expect(sharedTexts).toEqual(ownTexts);
    expect(sharedTexts).toHaveLength(51);
    expect(JSON.parse(sharedTexts[7] ?? '')).toMatchObject({ id: tolds[index]?.id, type: 'next' });
  }
});

test('over one WebSocket, several operations at once, also where a field of theirs fails', async () => {
  server = await startApp({
    deltaFormatter: ({ changes, version }) => {
      if (version % 3 === 0) throw new Error('a formatter that fails');
      return changes.length;
    },
  });
  const formatted: readonly Told[] = ['1', '2'].map((id) => ({
    id: `formatted ${id}`,
    operations: { All: 'version ... on Delta { formatted }' },
  }));
  const all = [...tolds, ...formatted];
  const follow = async (queryBy: (told: Told) => string) => {
    const socket = await RawWebSocket.open(server.webSocketUrl);
    await socket.init();
    const texts = new Map<unknown, string[]>(all.map(({ id }) => [id, []]));
    socket.socket.on('message', (data: Buffer) => {
      const { id } = JSON.parse(data.toString()) as { readonly id: unknown };
      texts.get(id)?.push(data.toString());
    });
    for (const told of all) {
      const [operationName] = Object.keys(told.operations);
      const variables = { id: 'c', ...(told.more === undefined ? {} : { more: told.more }) };
      // What fails is told with the id of its request.
      const extensions = { requestId: 'asked' };
      const payload = { query: queryBy(told), operationName, variables, extensions };
      socket.send({ id: told.id, type: 'subscribe', payload });
    }
    return texts;
  };
  // Each field where it stands in the other: errors tell the place.
  const within = (before: string, after: string) => (told: Told) =>
    documentOf(told.operations, (_name, selection) => [`${before}${followed(selection)}${after}`]);
  const [ownTexts, sharedTexts] = await Promise.all([follow(within('...{', '}')), follow(within('    ', ' '))]);
  const haveHeard = (count: number) => () =>
    [...ownTexts.values(), ...sharedTexts.values()].every(({ length }) => length === count);
  await until('the beginning', haveHeard(1));
  for (let n = 0; n < 12; n++) {
    await server.app.chord.setContext('c', { n, text: 'é\u2028"\ud800' });
    await until(`change ${n}`, haveHeard(n + 2));
  }

  expect([...sharedTexts]).toEqual([...ownTexts]);
  const failed = sharedTexts.get('formatted 1')?.filter((text) => text.includes('"errors"')) ?? [];
  expect(failed).toHaveLength(4);
  expect(failed.join()).not.toContain('formatter that fails');
  expect(sharedTexts.get('less')?.join()).not.toContain('"errors"');
});

test('as server-sent events, each with its position', async () => {
  const streams: { text: string; readonly leave: () => void }[] = [];
  const follow = async (query: string) => {
    const search = new URLSearchParams({ query, variables: JSON.stringify({ id: 'c' }) });
    const request = get(`${server.url}?${search}`, { headers: { accept: 'text/event-stream' } });
    const stream = { text: '', leave: () => request.destroy() };
    streams.push(stream);
    request.on('error', () => undefined);
    request.on('response', (response) => {
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (stream.text += chunk));
    });
    await until('the beginning', () => stream.text.includes('event: next'));
  };
  for (const query of [own, shared, own, shared]) await follow(query);
  const { chord } = server.app;
  for (let n = 0; n < 20; n++) {
    if (n % 8 === 7) await chord.deleteContext('c');
    else await chord.setContext('c', { n, text: 'é\n\r\n\u2028' });
    await until(`change ${n}`, () => streams.every(({ text }) => text.split('event: next').length === n + 3));
  }
  for (const { leave } of streams) leave();
  await until('nobody is left', () => server.app.stats().followers === 0);

  const [first, ...others] = streams.map(({ text }) => text);
  for (const other of others) expect(other).toBe(first);
  expect(first).toContain('id: -\n');
});

test('an operation that its client completes is told nothing more, and the others are', async () => {
  const socket = await RawWebSocket.open(server.webSocketUrl);
  await socket.init();
  for (const id of ['a', 'b']) {
    socket.send({ id, type: 'subscribe', payload: { query: shared, variables: { id: 'c' } } });
    expect(await socket.messages.next()).toMatchObject({ id });
  }
  socket.send({ id: 'a', type: 'complete' });
  await until('it has left', () => server.app.stats().followers === 1);
  await server.app.chord.setContext('c', { n: 1 });
  expect(await socket.messages.next()).toMatchObject({ id: 'b' });
  socket.send({ id: 'b', type: 'complete' });
  await until('both have left', () => server.app.stats().followers === 0);
  socket.send({ type: 'ping' });
  expect(await socket.messages.next()).toEqual({ type: 'pong' });
  socket.socket.close();
});
