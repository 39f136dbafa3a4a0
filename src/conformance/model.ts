import assert from 'node:assert/strict';
import type { Backend } from '../backend/backend.ts';
import type { Known } from '../backend/known.ts';
import { copyObject, type JsonObject, type JsonValue, setKey } from '../delta/json.ts';
import { assertKind, assertSame, at, dueIds, everything } from './check.ts';
import { type Draft, draft, start } from './draft.ts';
import { ModelStore } from './model-store.ts';
import { Random } from './random.ts';
import type { Group } from './suite.ts';
import { byBytes } from './values.ts';

const steps = 120;
const ids = ['a', 'a:b', '\ue000', '🙂', '__proto__'] as const;
const keys = ['k', 'constructor', 'é'] as const;
const names = ['a', 'b', '__proto__', 'ü', ''] as const;

export const model: Group = {
  name: 'model',
  define(test, seeds) {
    for (const seed of seeds) {
      test(`B53: random operations answer and leave what a plain model says (seed ${seed})`, async ({ backend }) => {
        const walk = new Walk(backend, seed);
        for (let step = 1; step <= steps; step++) {
          let what = 'before the step';
          try {
            what = await walk.step();
            await walk.check();
          } catch (error) {
            const reason = error instanceof Error ? error.message : String(error);
            throw new assert.AssertionError({ message: `Seed ${seed}, step ${step}, ${what}: ${reason}` });
          }
        }
      });
    }
  },
};

/** One random history of a few contexts, on the store and on the model. */
class Walk {
  readonly #backend: Backend;
  readonly #model = new ModelStore();
  readonly #random: Random;
  /** What was once known of each id, to plan on. */
  readonly #past = new Map<string, Known[]>();
  #nowMs = start;
  #written = 0;

  constructor(backend: Backend, seed: number) {
    this.#backend = backend;
    this.#random = new Random(seed);
  }

  /** Does one thing on both sides, compares the answers, and says what it did. */
  async step(): Promise<string> {
    const random = this.#random;
    const id = random.pick(ids);
    if (random.chance(0.3)) this.#nowMs += random.upTo(15);
    if (random.chance(0.7)) return this.#commit(id);
    const what = random.pick(['expire', 'trimDeltas', 'purgeTombstone', 'postpone'] as const);
    const beforeMs = this.#nowMs - random.upTo(20);
    switch (what) {
      case 'expire':
        await this.#expire(id);
        break;
      case 'trimDeltas':
        assert.equal(await this.#backend.trimDeltas(id, beforeMs), this.#model.trimDeltas(id, beforeMs));
        break;
      case 'purgeTombstone':
        assert.equal(await this.#backend.purgeTombstone(id, beforeMs), this.#model.purge(id, beforeMs));
        break;
      case 'postpone': {
        const known = this.#model.known(id);
        const seenMs = (known.kind === 'context' && known.head.expiresAtMs) || this.#nowMs;
        const dueMs = this.#nowMs + random.upTo(30);
        await this.#backend.postpone(id, seenMs, dueMs);
        this.#model.postpone(id, seenMs, dueMs);
        break;
      }
    }
    return `${what} of ${JSON.stringify(id)}`;
  }

  /** Compares everything that the store can be asked. */
  async check(): Promise<void> {
    for (const id of ids) {
      await draft(this.#backend, id, this.#model.known(id)).assertStands();
      assertSame(await this.#backend.deltas(id, { limit: everything }), this.#model.deltas(id), `The deltas of ${id}`);
    }
    await this.#checkSince(this.#random.pick(ids));
    await this.#checkLists();
    await this.#checkDue();
    const [id, key] = [this.#random.pick(ids), this.#random.pick(keys)];
    const { outcome } = await this.#backend.readOutcome(id, key, this.#nowMs);
    assertSame(outcome, this.#model.outcome(id, key, this.#nowMs), `The outcome of ${key} on ${id}`);
  }

  async #commit(id: string): Promise<string> {
    const random = this.#random;
    const truth = this.#model.known(id);
    const past = this.#past.get(id) ?? [];
    this.#past.set(id, [...past.slice(-5), truth]);
    const known = past.length > 0 && random.chance(0.25) ? random.pick(past) : truth;
    let plan = draft(this.#backend, id, known);
    const unused = new Set<string>(keys);
    for (let more = random.upTo(3); more >= 0; more--) plan = this.#plan(plan, unused);
    const expected = this.#model.commit(id, plan.base, plan.writes, this.#nowMs);
    const what = `commit of ${plan.writes.map(({ step }) => step.kind).join(', ')} to ${JSON.stringify(id)}`;
    assertSame(await plan.commit({ nowMs: this.#nowMs }), expected, `The answer to a ${what}`);
    return what;
  }

  #plan(plan: Draft, unused: Set<string>): Draft {
    const random = this.#random;
    const key = random.chance(0.2) ? random.pick(keys) : undefined;
    const options = {
      atMs: this.#nowMs,
      ttlMs: random.pick<{ readonly ttlMs: number | null | undefined }>([
        { ttlMs: undefined },
        { ttlMs: null },
        { ttlMs: 5 },
        { ttlMs: 40 },
      ]).ttlMs,
      keep: random.pick([0, 2, 5, everything]),
      // A key may be used once in a batch.
      key: key !== undefined && unused.delete(key) ? key : undefined,
      requestHash: `${this.#written}`,
      windowMs: random.pick([10, 60]),
    };
    if (plan.known.kind === 'context' && random.chance(0.2)) return plan.touch(options);
    if (plan.known.kind === 'context' && random.chance(0.15)) return plan.remove(options);
    return plan.set(this.#edit(plan.known.kind === 'context' ? plan.known.state : {}), options);
  }

  /** Another state: a few keys come, go or change. */
  #edit(state: JsonObject): JsonObject {
    const random = this.#random;
    this.#written++;
    const copy = copyObject(state);
    setKey(copy, 'n', this.#written);
    const name = random.pick(names);
    const values: readonly JsonValue[] = [null, this.#written, 'é', [this.#written], {}];
    if (random.chance(0.3)) delete copy[name];
    else if (random.chance(0.5)) setKey(copy, name, random.pick(values));
    else setKey(copy, name, { [random.pick(['x', 'y'])]: random.pick(values), same: { deep: true } });
    return copy;
  }

  async #expire(id: string): Promise<void> {
    const known = this.#model.known(id);
    const position = known.kind === 'context' && this.#random.chance(0.5) ? at(known.head) : undefined;
    const expected = this.#model.expires(id, this.#nowMs, position);
    assertSame(await this.#backend.expire(id, this.#nowMs, position), expected, 'What the expiry answers');
    if (expected === undefined) return;
    const { writeId } = assertKind(await this.#backend.read(id), 'tombstone', 'What is left');
    this.#model.bury(id, { kind: 'tombstone', ...expected, cause: 'EXPIRED', atMs: this.#nowMs, writeId });
  }

  async #checkSince(id: string): Promise<void> {
    const known = this.#model.known(id);
    if (known.kind !== 'context') return;
    const version = Math.max(0, known.head.version - this.#random.upTo(8) + 1);
    const view = await this.#backend.read(id, { since: { epoch: known.head.epoch, version } });
    const { deltas, state } = assertKind(view, 'context', 'The view');
    const expected = this.#model.deltasSince(id, { version });
    assertSame(deltas, expected, `The deltas of ${id} since ${version}`);
    if (expected === undefined) assertSame(state, known.state, 'The state instead');
  }

  async #checkLists(): Promise<void> {
    const random = this.#random;
    const live = this.#model.ids('context').toSorted(byBytes);
    const descending = random.chance(0.5);
    if (descending) live.reverse();
    assertSame(await this.#backend.list({ limit: everything, descending }), live, 'The list');
    const from = random.upTo(ids.length);
    const after = live[from];
    assertSame(
      await this.#backend.list({ limit: 2, after, descending }),
      live.slice(after ? from + 1 : 0).slice(0, 2),
      'A page',
    );
    const count = await this.#backend.count({});
    assert.ok(count === undefined || count === live.length, `The count: ${count}`);
  }

  async #checkDue(): Promise<void> {
    const due = await dueIds(this.#backend, 'context', this.#nowMs);
    for (const id of ids) {
      if (this.#model.mustBeDue(id, this.#nowMs)) assert.ok(due.includes(id), `${id} must be due`);
    }
    const deltas = await dueIds(this.#backend, 'deltas', this.#nowMs);
    const withDeltas = this.#model.ids('context').filter((id) => this.#model.deltas(id).length > 0);
    for (const id of withDeltas) assert.ok(deltas.includes(id), `The deltas of ${id} must be due`);
    const tombstones = await dueIds(this.#backend, 'tombstone', this.#nowMs);
    assertSame(tombstones.toSorted(), this.#model.ids('tombstone').toSorted(), 'The tombstones that are due');
  }
}
