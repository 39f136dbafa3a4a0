import { advance } from '../src/delta/apply.ts';
import { equal, type JsonObject } from '../src/delta/json.ts';
import type { Chord } from '../src/service/chord.ts';

/** A client's copy of a context, kept by the client's rule. */
export interface Copy {
  /** Waits for what is stored, and fails unless the copy is the same. */
  converge(): Promise<void>;
}

/** Follows a context from here on. */
export function keepCopy(chord: Chord, id: string): Copy {
  const copy: { state: JsonObject; version: number } = { state: {}, version: 0 };
  const events = chord.follow(id);
  const following = (async () => {
    for await (const event of events) {
      if (event.kind === 'full') copy.state = event.context.state;
      if (event.kind === 'delta') {
        if (event.fromVersion !== copy.version)
          throw new Error(`A gap in ${id}: ${copy.version} to ${event.fromVersion}.`);
        copy.state = advance(copy.state, event.changes);
      }
      copy.version = event.version;
    }
  })();
  return {
    converge: async () => {
      const stored = await chord.getContext(id);
      const deadline = performance.now() + 10_000;
      while (copy.version < (stored?.version ?? 0)) {
        if (performance.now() > deadline) throw new Error(`The follower of ${id} did not reach ${stored?.version}.`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await events.return?.();
      await following;
      if (stored === null || !equal(copy.state, stored.state))
        throw new Error(`The follower of ${id} did not converge.`);
    },
  };
}
