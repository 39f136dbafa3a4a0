/** What a process is given and told for tests of what it lets out: everything that is secret is marked. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { createApiKey } from '../../src/access/api-keys.ts';
import { json, Receiver } from '../external/receiver.ts';
import {
  type MarkedWords,
  markedOperations,
  misplacedOperations,
  misplacedRequests,
  misplacedTalks,
} from './marked-operations.ts';
import type { Marks } from './marks.ts';
import { type Told, tellingWays } from './told.ts';

/** Of who may do everything. */
export const allGrants = [{ may: ['read', 'write', 'delete', 'export', 'restore', 'list', 'admin'] }];

/** Credentials of every kind, and the options that they need. @param directory for a file. */
export async function markedCredentials(marks: Marks, directory: string) {
  const newKey = (id: string, may: object) => {
    const { key, entry } = createApiKey(id);
    marks.add(`the API key of ${id}`, key);
    return { bearer: `Bearer ${key}`, entry: { ...entry, grants: may } };
  };
  const [all, little] = [newKey('all', allGrants), newKey('little', [{ may: ['read'], idPrefix: 'x' }])];
  const jwtSecret = marks.make('jwtSecret');
  const sign = async (what: string, exp: string, secret = jwtSecret) => {
    const token = await new SignJWT({ sub: 'ada', chord: allGrants, note: marks.make(`a claim of ${what}`) })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(exp)
      .sign(new TextEncoder().encode(secret));
    marks.add(`the signature of ${what}`, token.split('.')[2] ?? '');
    return `Bearer ${token}`;
  };
  const values = {
    nothing: undefined,
    all: all.bearer,
    little: little.bearer,
    token: await sign('the token', '1h'),
    late: await sign('the late token', '-1h'),
    forged: await sign('the forged token', '1h', randomBytes(32).toString('hex')),
    wrong: `Bearer ${marks.make('a wrong token')}`,
    unknown: `Bearer chord_${marks.make('an unknown key')}`,
    basic: `Basic ${Buffer.from(`ada:${marks.make('a password')}`).toString('base64')}`,
  };
  const apiKeysFile = join(directory, 'keys.json');
  writeFileSync(apiKeysFile, JSON.stringify([all.entry, little.entry]));
  return { values, env: { CHORD_JWT_SECRET: jwtSecret, CHORD_API_KEYS_FILE: apiKeysFile } };
}

/** `kept`: said by clients, and nobody's to hear. `quoted`: an error may say it to whoever said it. */
export function markedWords(kept: Marks, quoted: Marks): MarkedWords {
  return {
    value: kept.make('a value of a state'),
    // The path of an InvalidStateError says it.
    field: quoted.make('a key of a state'),
    idempotencyKey: quoted.make('an idempotency key'),
    origin: kept.make('a label of a writer'),
    misplaced: quoted.make('what is out of place'),
    loose: kept.make('what is no operation'),
  };
}

/** Everything once, over every transport, with all credentials: what is right and what is wrong. */
export async function sayEverything(
  told: Told,
  words: MarkedWords,
  values: Readonly<Record<string, string | undefined>>,
) {
  const saying = tellingWays.map(async (way) => {
    for (const operation of markedOperations(words)) await told.ask(way, operation, values['all']);
    for (const operation of misplacedOperations(words)) await told.ask(way, operation, values['all']);
    for (const authorization of Object.values(values)) {
      await told.ask(way, { query: '{ context(id: "noted") { id } }' }, authorization);
    }
  });
  await Promise.all(saying);
  const authorization = values['all'] ?? '';
  for (const request of misplacedRequests(words, authorization)) await told.send(request);
  for (const talk of misplacedTalks(words, authorization)) await told.talk(talk, { 'x-request-id': `${words.loose}!` });
}

/** What a process is told by those that it asks: nothing good. */
export async function startUnwilling(marks: Marks) {
  const answer = marks.make('what a webhook answers');
  const receiver = await Receiver.start((response, { method, url }) => {
    if (method === 'POST') return json(response, 500, { error: answer });
    if (url.includes('invalid'))
      return json(response, 200, { format: 'chord.context/1', state: { forbidden: answer } });
    response.writeHead(200, { 'content-type': 'application/json', 'x-note': answer }).end(`{"${answer}`);
  });
  const url = new URL(receiver.origin);
  url.username = marks.make('the user of a webhook');
  url.password = marks.make('the password of a webhook');
  const path = (name: string) =>
    `${url.href}${marks.make(`the path of ${name}`)}?key=${marks.make(`the query of ${name}`)}`;
  const env = {
    CHORD_EXPORTER: 'webhook',
    CHORD_PROVIDER: 'webhook',
    CHORD_WEBHOOK_EXPORT_URL: path('webhookExportUrl'),
    CHORD_WEBHOOK_PROVIDER_URL: path('webhookProviderUrl'),
    CHORD_WEBHOOK_SECRET: marks.make('webhookSecret'),
    CHORD_EXTERNAL_TIMEOUT_MS: '1000',
  };
  return { receiver, env };
}
