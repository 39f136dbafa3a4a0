/** The server that is fuzzed: as it comes, or with everything on that refuses. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { AppOptions } from '../../src/app/app.ts';
import type { ServerStats } from '../../src/server/stats.ts';
import type { ChordStats } from '../../src/service/chord.ts';
import { ForkedServer } from '../support/forked-server.ts';
import { soon } from '../support/wait.ts';

/** How the server is configured. */
export const setupNames = {
  open: 'as it comes: nobody is asked who they are',
  guarded: 'API keys and tokens, and every limit low enough to be met',
} as const;

/** One of `setupNames`. */
export type SetupName = keyof typeof setupNames;

/** What the server says of itself. */
export interface Look {
  readonly heapUsed: number;
  /** The heap and what is outside of it. */
  readonly total: number;
  readonly rss: number;
  /** What keeps its event loop busy, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  readonly stats: ServerStats & ChordStats;
  /** The first lines of its log that a person should look at. */
  readonly errors: readonly string[];
  /** How often it warned, by message. */
  readonly warnings: ReadonlyMap<string, number>;
  readonly lines: number;
}

/** `thorough`: without what was stored, and after collections. */
export interface LookRequest {
  readonly id: number;
  readonly thorough: boolean;
}

/** The answer to a `LookRequest`. */
export type Looked = { readonly kind: 'looked'; readonly id: number } & (
  | { readonly value: Look }
  | { readonly error: string }
);

/** Values of `authorization` for the fuzzers; undefined: none is sent. */
export interface Credentials {
  readonly values: readonly (string | undefined)[];
  /** Of a viewer whom the fuzzers do not use: to see whether the server works. */
  readonly probe: string | undefined;
}

/** Small, so that a run reaches them, and times short, so that a run does not wait for them. */
const sizes = {
  maxRequestBytes: 64 * 1024,
  maxStateBytes: 16 * 1024,
  deltaThreshold: 5,
  tombstoneTtlMs: 1,
  idempotencyWindowMs: 1_000,
  requestTimeoutMs: 600,
  slowReaderTimeoutMs: 5_000,
  externalTimeoutMs: 2_000,
  exporter: 'file',
  provider: 'file',
} as const satisfies AppOptions;

const limits = {
  maxStateDepth: 12,
  connectionInitTimeoutMs: 300,
  maxConnections: 100,
  maxSubscriptionsPerConnection: 4,
  maxConnectionsPerViewer: 20,
  maxSubscriptionsPerViewer: 20,
  requestsPerSecond: 200,
  writesPerSecond: 60,
  maxQueryTokens: 400,
  maxQueryDepth: 6,
  maxQueryAliases: 10,
  maxQueryCost: 500,
  queryTimeoutMs: 2_000,
  introspection: false,
  graphiql: false,
  restoreOnMiss: true,
  forbiddenKeys: ['constructor'],
  corsOrigins: ['https://app.example.com'],
} as const satisfies AppOptions;

/** A server in a process of its own. */
export class Victim {
  readonly credentials: Credentials;
  readonly port: number;
  /** `http://…/graphql`. */
  readonly url: string;
  readonly #server: ForkedServer;
  readonly #waiting: Map<number, (looked: Looked) => void>;
  readonly #directory: string;
  readonly #ending: { text: string | undefined };
  #lastId = 0;

  private constructor(server: ForkedServer, parts: Parts) {
    this.#server = server;
    this.#waiting = parts.waiting;
    this.#directory = parts.directory;
    this.#ending = parts.ending;
    this.credentials = parts.credentials;
    const url = new URL('/graphql', server.url);
    this.url = url.href;
    this.port = Number(url.port);
  }

  static async start(setup: SetupName): Promise<Victim> {
    const directory = mkdtempSync(join(tmpdir(), 'chord-fuzz-'));
    try {
      const { options, credentials } = await prepare(setup, directory);
      const waiting: Parts['waiting'] = new Map();
      const ending: Parts['ending'] = { text: undefined };
      const server = await ForkedServer.start(new URL('victim-child.ts', import.meta.url), {
        options,
        flags: ['--expose-gc'],
        serialization: 'advanced',
        onMessage: (message) => {
          // The child is ours.
          const looked = message as Looked;
          waiting.get(looked.id)?.(looked);
          waiting.delete(looked.id);
        },
        onExit: ({ text }) => {
          ending.text = text;
          for (const [id, resolve] of waiting) resolve({ kind: 'looked', id, error: `the server ${text}` });
        },
      });
      return new Victim(server, { waiting, directory, credentials, ending });
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
  }

  /** How it ended; undefined: it runs. */
  get ending(): string | undefined {
    return this.#ending.text;
  }

  async look({ thorough = false }: { readonly thorough?: boolean } = {}): Promise<Look> {
    const id = ++this.#lastId;
    const answer = new Promise<Looked>((resolve) => {
      this.#waiting.set(id, resolve);
      if (this.ending === undefined) this.#server.process.send({ id, thorough });
      else resolve({ kind: 'looked', id, error: `the server ${this.ending}` });
    });
    const looked = await soon('a look at the server', answer, thorough ? 60_000 : 15_000);
    if ('error' in looked) throw new Error(looked.error);
    return looked.value;
  }

  async stop(): Promise<void> {
    await this.#server.kill();
    rmSync(this.#directory, { recursive: true });
  }
}

/** How much there is of what somebody outside has opened or asked for. */
export function clientsIn({ stats, resources }: Look): number {
  const { followers, watchedContexts, webSockets, queuedWrites } = stats;
  return followers + watchedContexts + webSockets + queuedWrites + (resources['TCPSocketWrap'] ?? 0);
}

interface Parts {
  readonly waiting: Map<number, (looked: Looked) => void>;
  readonly directory: string;
  readonly credentials: Credentials;
  readonly ending: { text: string | undefined };
}

async function prepare(
  setup: SetupName,
  directory: string,
): Promise<{ readonly options: AppOptions; readonly credentials: Credentials }> {
  const options = { ...sizes, exportDir: join(directory, 'exports') };
  if (setup === 'open') return { options, credentials: { values: [undefined, 'Bearer x'], probe: undefined } };
  const secret = randomBytes(32).toString('base64url');
  const sign = (claims: Readonly<Record<string, unknown>>, exp: string) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(exp)
      .sign(new TextEncoder().encode(secret));
  const everything = ['read', 'write', 'delete', 'export', 'restore', 'list', 'admin'];
  const keys = {
    probe: newKey([{ may: ['read', 'write'], idPrefix: 'probe' }]),
    all: newKey([{ may: everything }]),
    some: newKey([{ may: ['read', 'list'], idPrefix: 'a' }, { may: ['write'] }]),
    pattern: newKey([{ may: ['read', 'list'], idPattern: '*:*' }]),
  };
  const path = join(directory, 'keys.json');
  const entries = Object.entries(keys).map(([id, { sha256, grants }]) => ({ id, sha256, grants }));
  writeFileSync(path, JSON.stringify(entries));
  const tokens = [
    await sign({ sub: 'ada', chord: [{ may: everything }] }, '1h'),
    await sign({ sub: 'bert', chord: [{ may: ['read', 'write'], idPrefix: 'b' }] }, '1h'),
    await sign({ sub: 'short', chord: [{ may: everything }] }, '20s'),
    await sign({ sub: 'late', chord: [{ may: everything }] }, '-1h'),
    await sign({ sub: 'odd', chord: 'everything' }, '1h'),
  ];
  const values = [
    keys.all.key,
    keys.all.key,
    keys.all.key,
    keys.some.key,
    keys.pattern.key,
    ...tokens,
    'chord_nobody',
    'x.y.z',
    '',
  ];
  return {
    options: { ...options, ...limits, apiKeysFile: path, jwtSecret: secret, authGraceMs: 500 },
    credentials: {
      values: [undefined, ...values.map((value) => `Bearer ${value}`)],
      probe: `Bearer ${keys.probe.key}`,
    },
  };
}

function newKey(grants: readonly object[]) {
  const key = `chord_${randomBytes(32).toString('base64url')}`;
  return { key, sha256: createHash('sha256').update(key).digest('hex'), grants };
}
