/**
 * The conformance suite of the storage contract (`chord/conformance`).
 *
 *   import { describe, test } from 'vitest'; // or from 'node:test'
 *   backendConformance('mine', () => MyBackend.open(), { describe, test });
 *
 * Every test gets a fresh backend and closes it. Time is whatever the tests say it is (`nowMs`), and nothing waits for
 * a clock. docs/backends.md explains the guarantees B1… that the titles name.
 */
import type { Backend } from '../backend/backend.ts';
import { closing } from './closing.ts';
import { commit } from './commit.ts';
import { deltas } from './deltas.ts';
import { due } from './due.ts';
import { idempotency } from './idempotency.ts';
import { identity } from './identity.ts';
import { lease } from './lease.ts';
import { lists } from './lists.ts';
import { model } from './model.ts';
import { notes } from './notes.ts';
import { processes } from './processes.ts';
import { reading } from './reading.ts';
import { reopening } from './reopening.ts';
import type { Capabilities, Group, Trial } from './suite.ts';
import { tombstones } from './tombstones.ts';
import { values } from './values.ts';
import { watch } from './watch.ts';

export type { Capabilities } from './suite.ts';

/** The part of a test runner that the suite needs: that of vitest and node:test fits. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly test: ((title: string, body: () => Promise<void>) => unknown) & {
    /** Without it a skipped test is reported as one that passes, with the reason in its title. */
    readonly skip?: (title: string, body: () => Promise<void>) => unknown;
  };
}

const groups: readonly Group[] = [
  reading,
  commit,
  idempotency,
  deltas,
  tombstones,
  lists,
  due,
  lease,
  notes,
  watch,
  values,
  closing,
  model,
  processes,
  reopening,
  identity,
];

/**
 * Declares the tests of the storage contract for one backend.
 *
 * @param open answers a backend on empty data of its own; called once for each test.
 */
export function backendConformance<B extends Backend>(
  name: string,
  open: () => B | Promise<B>,
  { describe, test }: Runner,
  capabilities: Capabilities<B> = {},
): void {
  describe(`backend conformance: ${name}`, () => {
    for (const { name: group, needs, define } of groups) {
      describe(group, () => {
        const isSkipped = needs !== undefined && capabilities[needs] === undefined;
        define((title, body) => {
          if (isSkipped) {
            const skip = test.skip ?? test;
            skip(`${title} (not run: the backend declares no \`${needs}\`)`, async () => {});
          } else {
            test(title, () => runTrial(open, capabilities, body));
          }
        }, capabilities.seeds ?? defaultSeeds);
      });
    }
  });
}

const defaultSeeds = [1, 2, 3, 4, 5] as const;

async function runTrial<B extends Backend>(
  open: () => B | Promise<B>,
  { another, reopen, reopenElsewhere, patienceMs = 5_000 }: Capabilities<B>,
  body: (trial: Trial) => Promise<void>,
): Promise<void> {
  const backend = await open();
  const opened: B[] = [backend];
  const openFrom = async (from: ((backend: B) => B | Promise<B>) | undefined) => {
    if (from === undefined) throw new TypeError('The test needs a capability that its group does not name.');
    const fresh = await from(opened.at(-1) ?? backend);
    opened.push(fresh);
    return fresh;
  };
  const closeAll = async () => {
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    await body({
      backend,
      patienceMs,
      another: () => openFrom(another),
      reopen: async () => {
        await closeAll();
        return openFrom(reopen);
      },
      reopenElsewhere: async () => {
        await closeAll();
        return openFrom(reopenElsewhere);
      },
    });
  } finally {
    await closeAll();
  }
}
