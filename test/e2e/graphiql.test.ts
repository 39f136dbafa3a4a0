import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type FollowEvent, followQuery, Replica } from '../../examples/clients/replica.ts';
import { LastingBackend, type RunningApp, startApp, stopApp, stopApps } from '../support/app.ts';
import { launchBrowser } from '../support/browser.ts';
import { installTimeoutMs } from '../support/programs.ts';
import { until } from '../support/wait.ts';

let browser: Browser;
let server: RunningApp;
let context: BrowserContext;
/** Every address that the browser asked for, and everything that it complained about. */
let requests: string[];
let complaints: string[];

beforeAll(async () => {
  browser = await launchBrowser();
}, installTimeoutMs + 60_000);
afterAll(() => browser?.close());

beforeEach(async () => {
  server = await startApp();
  requests = [];
  complaints = [];
  context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  context.setDefaultTimeout(10_000);
  context.on('request', (request) => requests.push(request.url()));
  context.on('requestfailed', (request) => {
    // A reload aborts what is still being loaded.
    const reason = request.failure()?.errorText;
    if (reason !== 'net::ERR_ABORTED') complaints.push(`${reason}: ${request.url()}`);
  });
  context.on('console', (message) => {
    if (['error', 'warning', 'assert'].includes(message.type())) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
  context.on('page', (page) => page.on('websocket', (socket) => requests.push(socket.url())));
});
afterEach(async () => {
  await context.close();
  await stopApps();
});

async function openGraphiQL(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Execute query' }).waitFor();
  return page;
}

/** The titles of the tabs, without those of their icons. */
async function tabsOf(page: Page): Promise<readonly string[]> {
  const texts = await page.locator('.graphiql-tab').allTextContents();
  return texts.map((text) => /^(Follow|Create|List|<untitled>)/.exec(text)?.[0] ?? text);
}

/** What GraphiQL shows as the result; undefined while it shows none. */
async function resultOf(page: Page): Promise<unknown> {
  const lines = await page.locator('.graphiql-response .view-line').allTextContents();
  const places = await page
    .locator('.graphiql-response .view-line')
    .evaluateAll((elements) => elements.map((element) => Number.parseInt(element.style.top, 10)));
  const ordered = lines.map((line, index) => ({ line, top: places[index] ?? 0 })).toSorted((a, b) => a.top - b.top);
  const text = ordered.map(({ line }) => line.replaceAll('\u00a0', ' ')).join('\n');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function untilResult(page: Page, expected: unknown): Promise<void> {
  await until(`the result ${JSON.stringify(expected)}`, async () => {
    const result = await resultOf(page);
    return result !== undefined && matches(result, expected);
  });
}

function matches(actual: unknown, expected: unknown): boolean {
  try {
    expect(actual).toMatchObject(expected as object);
    return true;
  } catch {
    return false;
  }
}

/** Chooses a tab and runs what it holds; where it holds several operations, the one that is named. */
async function run(page: Page, tab: string, operation?: string): Promise<void> {
  // GraphiQL takes the first click on a tab after the page was opened for the beginning of a drag.
  await until(`the tab ${tab} is in front`, async () => {
    if ((await page.locator('.graphiql-tab-active', { hasText: tab }).count()) > 0) return true;
    await page.locator('.graphiql-tab-button', { hasText: tab }).click();
    return false;
  });
  const button = page.getByRole('button', { name: 'Execute query' });
  // GraphiQL reads the operations a moment after the tab is there: then the button has a menu, or has none.
  await until('GraphiQL has read the tab', async () => {
    const hasMenu = (await button.getAttribute('aria-haspopup')) === 'menu';
    return hasMenu === (operation !== undefined);
  });
  await button.click();
  if (operation !== undefined) await page.getByRole('menuitem', { name: operation }).click();
}

const ask = (encoding: string, more: Readonly<Record<string, string>> = {}, method = 'GET') =>
  fetch(server.url, { method, headers: { accept: 'text/html,*/*;q=0.8', 'accept-encoding': encoding, ...more } });

test('GraphiQL opens with three ready-made tabs, without a complaint and without leaving the server', async () => {
  const page = await openGraphiQL();
  await until('the schema', () => requests.includes(server.url));
  expect(await page.title()).toBe('Chord');
  await expect.poll(() => tabsOf(page), { timeout: 10_000 }).toEqual(['Follow', 'Create', 'List']);
  await run(page, 'Follow');
  await untilResult(page, { data: { contextChanged: { __typename: 'NoContext' } } });
  const { origin, host } = new URL(server.url);
  const allowed = [`${origin}/`, `blob:${origin}/`, `ws://${host}/`, 'data:'];
  expect(requests.filter((url) => !allowed.some((start) => url.startsWith(start)))).toEqual([]);
  expect(requests).toContain(server.webSocketUrl);
  expect(complaints).toEqual([]);
});

test('the subscription of the first tab sees what the mutations of the second do in another window', async () => {
  const [reader, writer] = [await openGraphiQL(), await openGraphiQL()];
  await run(reader, 'Follow');
  await untilResult(reader, { data: { contextChanged: { __typename: 'NoContext', version: 0 } } });
  await run(writer, 'Create', 'Create');
  await untilResult(writer, { data: { setContext: { __typename: 'SetContextPayload', version: 1, changed: true } } });
  const created = { __typename: 'FullContext', version: 1, reason: 'NO_POSITION' };
  await untilResult(reader, { data: { contextChanged: { ...created, context: { state: { status: 'ringing' } } } } });
  await run(writer, 'Create', 'Answer');
  await untilResult(writer, { data: { updateContext: { __typename: 'UpdateContextPayload', version: 2 } } });
  const changes = [
    { action: 'MODIFIED', path: ['status'], value: 'talking' },
    { action: 'ADDED', path: ['notes', 'topic'], value: 'bill' },
  ];
  await untilResult(reader, { data: { contextChanged: { __typename: 'Delta', fromVersion: 1, version: 2, changes } } });
  await run(writer, 'List');
  await untilResult(writer, { data: { contexts: { totalCount: 1, nodes: [{ id: 'call:123', version: 2 }] } } });
  expect(complaints).toEqual([]);
});

test('the documentation explorer shows the schema with its descriptions', async () => {
  const page = await openGraphiQL();
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const docs = page.locator('.graphiql-doc-explorer');
  await docs.getByText('ContextEvent').click();
  await docs.getByText('What a client is told of a context.').waitFor();
  expect(await docs.textContent()).toContain('NoContext');
  expect(complaints).toEqual([]);
});

test('a reload brings the same tabs back, also after an edit that GraphiQL keeps in the address', async () => {
  const page = await openGraphiQL();
  await page.reload();
  await page.getByRole('button', { name: 'Execute query' }).waitFor();
  await expect.poll(() => tabsOf(page), { timeout: 10_000 }).toEqual(['Follow', 'Create', 'List']);
  await page.locator('.graphiql-query-editor .monaco-editor').click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('# edited');
  await until('the edit in the address', () => page.url().includes('edited'));
  await until('the edit in the storage', async () =>
    Boolean(await page.evaluate("localStorage['graphiql:tabState'].includes('# edited')")),
  );
  await page.reload();
  await page.getByRole('button', { name: 'Execute query' }).waitFor();
  await until('the edited query', async () =>
    (await page.locator('.graphiql-query-editor .view-line').allTextContents()).join('').includes('edited'),
  );
  await expect.poll(() => tabsOf(page), { timeout: 10_000 }).toEqual(['Follow', 'Create', 'List']);
  expect(complaints).toEqual([]);
});

test('a plain EventSource in the browser resumes by delta after a restart, without code', {
  timeout: 60_000,
}, async () => {
  await stopApp(server.app);
  const backend = new LastingBackend();
  server = await startApp({ backend });
  const { port } = server;
  const ballast = 'x'.repeat(2_000);
  await server.app.chord.setContext('call:123', { ballast, count: 0 });
  const page = await context.newPage();
  await page.goto(new URL('/live', server.url).href);
  const query = new URLSearchParams({ query: followQuery, variables: JSON.stringify({ id: 'call:123' }) });
  await page.evaluate(`
    globalThis.events = [];
    const source = new EventSource('/graphql?${query}');
    source.addEventListener('next', ({ data }) => events.push(JSON.parse(data).data.contextChanged));
  `);
  const events = async () => (await page.evaluate('events')) as readonly FollowEvent[];
  const untilVersion = (version: number) =>
    until(`version ${version}`, async () => (await events()).at(-1)?.version === version);
  await untilVersion(1);
  await server.app.chord.updateContext('call:123', { count: 1 });
  await untilVersion(2);
  await stopApp(server.app);
  server = await startApp({ backend, port });
  await server.app.chord.updateContext('call:123', { count: 2, more: true });
  await server.app.chord.updateContext('call:123', { count: 3 });
  await untilVersion(4);
  const replica = new Replica();
  for (const event of await events()) expect(replica.take(event)).toBe(true);
  expect(replica.state).toEqual({ ballast, count: 3, more: true });
  const fulls = (await events()).filter(({ __typename }) => __typename === 'FullContext');
  expect(fulls).toHaveLength(1);
});

test('the page is the same in every encoding, has a policy, and is not sent again to who has it', async () => {
  const plain = await ask('identity');
  const html = await plain.text();
  expect(html).toContain('<title>Chord</title>');
  expect(plain.headers.get('content-encoding')).toBeNull();
  const preferred = ['gzip, deflate, br, zstd', 'gzip', 'br;q=0, gzip;q=0.5', '*'];
  const answers = await Promise.all(preferred.map((accepted) => ask(accepted)));
  expect(answers.map(({ headers }) => headers.get('content-encoding'))).toEqual(['br', 'gzip', 'gzip', null]);
  const texts = await Promise.all(answers.map((answer) => answer.text()));
  expect(texts.map((text) => text === html)).toEqual([true, true, true, true]);
  expect(plain.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src /);
  const tag = plain.headers.get('etag') ?? '';
  const again = await ask('identity', { 'if-none-match': tag });
  expect([again.status, await again.text()]).toEqual([304, '']);
  const head = await ask('identity', {}, 'HEAD');
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(Buffer.byteLength(html))]);
});
