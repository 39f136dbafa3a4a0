/**
 * A rolling restart, as Kubernetes does it: for each process a new one is started and becomes ready before the old one
 * is told to end by SIGTERM, while followers follow and writers write through one address.
 */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GraphQLResult, post } from '../support/app.ts';
import { ChordProcess, startChords } from '../support/chord-process.ts';
import { startRedis } from '../support/redis/server.ts';
import { soon, until } from '../support/wait.ts';
import { Balancer } from './balancer.ts';
import type { FinalContext, RollingRecord, WriteRecord } from './rolling-check.ts';
import { RollingFollower, ways } from './rolling-follower.ts';
import { setContext, updateContext, type Written } from './writes.ts';

/** How large. */
export interface RollingOptions {
  readonly followers: number;
  readonly contexts: number;
  readonly writesPerSecond: number;
  /** So many writes are acknowledged before the first restart, between two, and after the last. */
  readonly writesBetween: number;
  /** The program, where it is built. Default: as it is checked out. */
  readonly script?: string;
  /** Told of what it does. */
  readonly say?: (line: string) => void;
}

/** Everything that was written down. */
export interface RollingReport extends RollingRecord {
  /** How each process ended that was replaced: 0 is right. */
  readonly exits: readonly (number | string | null)[];
  /** Lines of all logs that a person should look at. */
  readonly errors: readonly unknown[];
}

/** How often the readiness of processes is looked at; Kubernetes has 10 s, and a `drainDelayMs` to fit. */
const lookEveryMs = 50;
const drainDelayMs = 400;
/** A write is sent so often, with the same key, before it counts as failed. */
const maxAttempts = 8;
/** For all followers to connect, to come back, to hear the last. */
const patienceMs = 60_000;
/** More than all deltas of some seconds: a merged one must be lighter than the state, or the whole state is sent. */
const ballast = 'x'.repeat(50_000);

export async function roll(options: RollingOptions): Promise<RollingReport> {
  const { say = () => undefined, script } = options;
  const program = script === undefined ? {} : { script };
  const redis = await startRedis();
  const flags = Object.entries({
    backend: 'redis',
    'redis-url': redis.url,
    port: '0',
    'delta-threshold': '100000',
    'drain-delay-ms': String(drainDelayMs),
    'log-format': 'json',
  }).flatMap(([flag, value]) => [`--${flag}`, value]);
  const chords = await startChords(2, flags, program);
  const rotation = new Rotation();
  await using balancer = await Balancer.listen(rotation.ports);
  try {
    for (const chord of chords) await rotation.add(chord);
    const contextIds = Array.from({ length: options.contexts }, (_, n) => `rolling ${n}`);
    for (const id of contextIds) await setContext(balancer.url, { id, state: { ballast } });
    const followers = Array.from({ length: options.followers }, (_, number) => {
      const way = ways[number % ways.length] ?? 'graphql-ws';
      const contextId = contextIds[Math.floor(number / ways.length) % contextIds.length] ?? '';
      return new RollingFollower(balancer.url, { way, contextId, number });
    });
    await until('all to follow', () => followers.every((follower) => follower.isThere), patienceMs);
    say(`${followers.length} follow ${contextIds.length} contexts`);

    const writers = new Writers(balancer.url, contextIds, options.writesPerSecond);
    const writeSome = async () => {
      const enough = writers.records.length + options.writesBetween;
      await until('some writes', () => writers.records.length >= enough, patienceMs);
    };
    await writeSome();
    const exits: (number | string | null)[] = [];
    const gone: ChordProcess[] = [];
    for (const old of chords.slice()) {
      const fresh = await ChordProcess.start(flags, program);
      await rotation.add(fresh);
      chords.splice(chords.indexOf(old), 1, fresh);
      const ended = old.end('SIGTERM');
      exits.push(await soon('the end of a process', ended, patienceMs));
      gone.push(old);
      await until('all to be back', () => followers.every((follower) => follower.isThere), patienceMs);
      say(`process ${gone.length} was replaced; ${writers.records.length} writes are done`);
      await writeSome();
    }
    const writes = await writers.stop();
    const contexts = new Map<string, FinalContext>();
    for (const id of contextIds) contexts.set(id, await read(balancer.url, id));
    const isUpToDate = (follower: RollingFollower) =>
      follower.isAt(contexts.get(follower.record.contextId)?.version ?? 0);
    // Who is not is a problem that the check names.
    await until('all to be up to date', () => followers.every(isUpToDate), patienceMs).catch(() => undefined);
    const seen = followers.map(({ record }) => structuredClone(record));
    // Which ends their subscriptions.
    for (const follower of followers) follower.leave();
    const lines = [...gone, ...chords].flatMap(({ log }) => log);
    const errors = lines.filter(({ level }) => level === 'error' || level === 'fatal');
    return { followers: seen, writes, contexts, exits, errors };
  } finally {
    rotation.stop();
    await Promise.all(chords.map((chord) => chord.end('SIGKILL')));
    await redis.stop();
  }
}

/** The processes that get new connections: those that say that they are ready. */
class Rotation {
  /** Of those in it; the balancer reads it at each connection. */
  readonly ports: number[] = [];
  readonly #stopped = new AbortController();

  /** Resolves when it is ready. From then on it is in for as long as it says so. */
  async add(chord: ChordProcess): Promise<void> {
    await until('a process to be ready', () => isReady(chord));
    this.ports.push(chord.port);
    // Never rejects.
    void this.#watch(chord);
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #watch(chord: ChordProcess): Promise<void> {
    while (!this.#stopped.signal.aborted && (await isReady(chord))) await sleep(lookEveryMs);
    this.ports.splice(this.ports.indexOf(chord.port), 1);
  }
}

function isReady(chord: ChordProcess): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(`${chord.url}/ready`, { agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', () => resolve(false));
  });
}

/** Write all the time, each context in turn. */
class Writers {
  readonly records: WriteRecord[] = [];
  readonly #url: string;
  readonly #contextIds: readonly string[];
  readonly #lanes: readonly Promise<void>[];
  #isStopping = false;
  #count = 0;

  constructor(url: string, contextIds: readonly string[], perSecond: number) {
    this.#url = url;
    this.#contextIds = contextIds;
    const lanes = Math.min(16, perSecond);
    this.#lanes = Array.from({ length: lanes }, () => this.#run((lanes * 1_000) / perSecond));
  }

  /** Resolves when the last is answered. */
  async stop(): Promise<readonly WriteRecord[]> {
    this.#isStopping = true;
    await soon('the writers to end', Promise.all(this.#lanes), patienceMs);
    return this.records;
  }

  async #run(everyMs: number): Promise<void> {
    await sleep(Math.random() * everyMs);
    while (!this.#isStopping) {
      const startMs = performance.now();
      this.records.push(await this.#write());
      await sleep(Math.max(0, everyMs - (performance.now() - startMs)));
    }
  }

  async #write(): Promise<WriteRecord> {
    const number = this.#count++;
    const contextId = this.#contextIds[number % this.#contextIds.length] ?? '';
    const field = `field ${number}`;
    const startMs = performance.now();
    let written: Written | undefined;
    let attempts = 0;
    while (written === undefined && attempts < maxAttempts) {
      attempts++;
      written = await updateContext(this.#url, { id: contextId, changes: { [field]: number }, key: field }).catch(
        () => undefined,
      );
    }
    const { version, duplicate = false } = written ?? {};
    return { contextId, field, attempts, version, duplicate, tookMs: performance.now() - startMs };
  }
}

async function read(url: string, id: string): Promise<FinalContext> {
  const result: GraphQLResult = await post(`${url}/graphql`, {
    query: 'query ($id: ID!) { context(id: $id) { version state } }',
    variables: { id },
  });
  // The selection above.
  const context = result.data?.['context'] as { readonly version: number; readonly state: object } | null | undefined;
  if (context === null || context === undefined) throw new Error(`not read: ${JSON.stringify(result)}`);
  return { version: context.version, fields: Object.keys(context.state) };
}
