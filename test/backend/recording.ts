import type { Backend } from '../../src/backend/backend.ts';
import { backendConformance, type Capabilities, type Runner } from '../../src/conformance/conformance.ts';

export interface RecordedTest {
  readonly group: string;
  readonly title: string;
  readonly isSkipped: boolean;
  run(): Promise<void>;
}

/** The tests that the suite declares for a backend; none is run. */
export function recordSuite<B extends Backend>(open: () => B, capabilities?: Capabilities<B>): readonly RecordedTest[] {
  const recorded: RecordedTest[] = [];
  let group = '';
  const record = (isSkipped: boolean) => (title: string, run: () => Promise<void>) => {
    recorded.push({ group, title, isSkipped, run });
  };
  const runner: Runner = {
    describe: (name, body) => {
      group = name;
      body();
    },
    test: Object.assign(record(false), { skip: record(true) }),
  };
  backendConformance('recorded', open, runner, capabilities);
  return recorded;
}

/** Runs the suite, and answers the titles of the tests that failed, by group. */
export async function failuresOf<B extends Backend>(
  open: () => B,
  capabilities?: Capabilities<B>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const failures = new Map<string, string[]>();
  const failed = async ({ group, title, run }: RecordedTest) => {
    try {
      await run();
    } catch {
      failures.set(group, [...(failures.get(group) ?? []), title]);
    }
  };
  for (const test of recordSuite(open, capabilities)) if (!test.isSkipped) await failed(test);
  return failures;
}
