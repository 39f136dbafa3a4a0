/**
 * One run of a fuzzer: batches of inputs, all at once, to a server in another process. After each batch the server must
 * live, answer what is known, and have logged no error; after the run it must hold no more than before.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { until } from '../support/wait.ts';
import { frames } from './frames.ts';
import { http } from './http.ts';
import { Judge } from './judge.ts';
import { operations } from './operations.ts';
import type { Target } from './target.ts';
import { clientsIn, type Look, type SetupName, Victim } from './victim.ts';

/** What can be fuzzed. */
export const targetNames = {
  http: 'bytes on sockets: requests that are right, odd, spoiled or cut',
  frames: 'frames of WebSockets, and messages of graphql-transport-ws in any order',
  operations: 'GraphQL: documents from the schema, odd arguments, spoiled documents, over every transport',
} as const;

/** One of `targetNames`. */
export type TargetName = keyof typeof targetNames;

/** What to run, and how long: so many batches, or for so long. */
export interface FuzzOptions {
  readonly target: TargetName;
  readonly setup: SetupName;
  readonly seed: number;
  readonly length: { readonly batches: number } | { readonly seconds: number };
  /** Told of what it does. */
  readonly say?: (line: string) => void;
}

/** What came of it. */
export interface FuzzReport {
  readonly batches: number;
  readonly inputs: number;
  readonly counts: ReadonlyMap<string, number>;
  /** Each with the seed and the smallest input that was found. */
  readonly failures: readonly string[];
  /** When the server was warm, now and then, and at the end. */
  readonly looks: readonly Look[];
}

/** Batches with one seed. */
const batchesPerRound = 24;
/** A failure is made smaller for so long at most. */
const shrinkMs = 30_000;
/** More of them say no more. */
const maxFailures = 20;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  switch (options.target) {
    case 'http':
      return run(http, options);
    case 'frames':
      return run(frames, options);
    case 'operations':
      return run(operations, options);
  }
}

async function run<Input>(target: Target<Input>, options: FuzzOptions): Promise<FuzzReport> {
  const { setup, seed, length, say = () => undefined } = options;
  const victim = await Victim.start(setup);
  try {
    const fuzzer = new Fuzzer(target, victim);
    const probe = await Probe.start(victim);
    const startMs = performance.now();
    /** From 0 to 1. */
    const progress = () =>
      'batches' in length ? fuzzer.batches / length.batches : (performance.now() - startMs) / (length.seconds * 1_000);
    const failures: string[] = [];
    const looks: Look[] = [];
    /** A server that does not answer is a failure like others. */
    const look = async () => {
      try {
        looks.push(await victim.look({ thorough: true }));
      } catch (error) {
        failures.push(`seed ${seed}, after ${fuzzer.batches} batches: ${String(error)}`);
      }
    };
    for (let round = 0; progress() < 1 && failures.length < maxFailures; round++) {
      // The first quarter warms it up; later looks are a tenth of the run apart.
      if (progress() >= 0.25 + looks.length * 0.1) await look();
      const left = 'batches' in length ? length.batches - fuzzer.batches : batchesPerRound;
      const batches = Math.min(left, Math.ceil(batchesPerRound / (looks.length === 0 ? 4 : 1)));
      const failure = await fuzzer.round(seed + round, batches, probe);
      if (failure === undefined) continue;
      failures.push(failure);
      say(failure);
      if (victim.ending !== undefined) break;
    }
    if (victim.ending === undefined) await look();
    return { batches: fuzzer.batches, inputs: fuzzer.inputs, counts: fuzzer.counts, failures, looks };
  } finally {
    await victim.stop();
  }
}

class Fuzzer<Input> {
  readonly counts = new Map<string, number>();
  batches = 0;
  inputs = 0;
  /** What is known to stay for ever, so that it is reported once. */
  leaked = 0;
  readonly #target: Target<Input>;
  readonly #victim: Victim;
  /** Errors in the log that were reported. */
  #errors = 0;

  constructor(target: Target<Input>, victim: Victim) {
    this.#target = target;
    this.#victim = victim;
  }

  /** Undefined: nothing was wrong. */
  async round(seed: number, numRuns: number, probe: Probe): Promise<string | undefined> {
    const input = this.#target.inputs(this.#victim.credentials.values);
    const batch = fc.array(input, { minLength: 1, maxLength: this.#target.maxBatch, size: 'max' });
    const result = await fc.check(
      fc.asyncProperty(batch, (all) => this.#batch(all, probe)),
      { seed, numRuns, interruptAfterTimeLimit: shrinkMs, markInterruptAsFailure: false },
    );
    if (!result.failed) return undefined;
    const { errorInstance, counterexamplePath, numShrinks } = result;
    const what = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
    return `seed ${seed}, path ${counterexamplePath ?? 'none'}, ${numShrinks} times made smaller: ${what}`;
  }

  async #batch(all: readonly Input[], probe: Probe): Promise<void> {
    this.batches++;
    this.inputs += all.length;
    const faults = await Promise.all(
      all.map(async (input) => {
        const judge = new Judge(this.counts);
        await this.#target.send(input, { victim: this.#victim, judge });
        return judge.faults.map((fault) => `${fault}\n  sent: ${cut(JSON.stringify(input))}`);
      }),
    );
    await probe.ask();
    const left = await this.#leftover();
    const { errors } = await this.#victim.look();
    const logged = errors.slice(this.#errors).map((line) => `logged: ${line}`);
    this.#errors = errors.length;
    const found = [...logged, ...left, ...faults.flat()];
    if (found.length === 0) return;
    const sent =
      faults.flat().length > 0 ? [] : [`  by one of: ${cut(all.map((one) => JSON.stringify(one)).join('\n'))}`];
    throw new Error([...found.slice(0, 4), ...sent].join('\n'));
  }

  /** What stays of clients who are gone. */
  async #leftover(): Promise<readonly string[]> {
    let now: Look | undefined;
    const isDeserted = async () => {
      now = await this.#victim.look();
      return clientsIn(now) <= this.leaked;
    };
    return until('nothing of the clients is left', isDeserted, 3_000).then(
      () => [],
      () => {
        this.leaked = now === undefined ? 0 : clientsIn(now);
        return [`left: ${JSON.stringify(now?.stats)} ${JSON.stringify(now?.resources)}`];
      },
    );
  }
}

/** For people: what repeats is counted. */
function cut(text: string): string {
  const short = text.replaceAll(/(.{1,4}?)\1{30,}/g, (all, piece: string) => `${piece}…×${all.length / piece.length}`);
  return short.length > 3_000 ? `${short.slice(0, 3_000)}…` : short;
}

const known = '{"data":{"context":{"state":{"known":true}}}}';

/** Somebody else, who must be served meanwhile. */
class Probe {
  readonly #victim: Victim;

  private constructor(victim: Victim) {
    this.#victim = victim;
  }

  static async start(victim: Victim): Promise<Probe> {
    const probe = new Probe(victim);
    await probe.ask();
    return probe;
  }

  /** The server may be full for a moment: what the fuzzer opened is being closed. */
  async ask(): Promise<void> {
    let answer = '';
    await until('the server to answer what is known', async () => {
      if (this.#victim.ending !== undefined) throw new Error(`The server ${this.#victim.ending}`);
      if ((await this.#request('/live')) !== '{"status":"ok"}') return false;
      answer = await this.#request('/graphql', '{ context(id: "probe") { state } }');
      if (answer === '{"data":{"context":null}}') {
        const query = 'mutation { setContext(id: "probe", state: { known: true }) { __typename } }';
        answer = await this.#request('/graphql', query);
      }
      return answer === known;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${answer}`, { cause: error });
    });
  }

  /** On a connection of its own, which is closed then. Empty when it was not answered. */
  async #request(path: string, query?: string): Promise<string> {
    const { probe } = this.#victim.credentials;
    const asked = request(new URL(path, this.#victim.url), {
      agent: false,
      method: query === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...(probe === undefined ? {} : { authorization: probe }) },
    });
    // What went wrong is told by the lack of an answer.
    asked.on('error', () => undefined);
    asked.end(query === undefined ? undefined : JSON.stringify({ query }));
    try {
      // What this event brings.
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      return await textOf(response);
    } catch {
      return '';
    }
  }
}
