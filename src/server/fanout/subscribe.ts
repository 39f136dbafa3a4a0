import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, subscribe } from 'graphql';
import type { RequestScope } from '../../graphql/request.ts';
import type { PolledEvents } from '../../service/chord.ts';
import { Turns } from '../turns.ts';
import { Groups } from './groups.ts';
import { shareKey } from './share-key.ts';
import { type ResultSink, SharedResults } from './shared-results.ts';

/** What operations run with beside their scope: where results go past the executor. Absent: nowhere. */
export interface WithSink {
  readonly sink?: ResultSink | undefined;
}

/** What is written once takes some 5 µs for each who is told. */
const slice = 256;

/** What graphql-js's `subscribe` answers. */
export type Subscribed = AsyncIterable<ExecutionResult> | ExecutionResult;

/** Begins a subscription. */
export type Subscriber = (args: ExecutionArgs) => Promise<Subscribed>;

/**
 * `subscribe` of graphql-js, for operations that may be told the same as others. Those whose transport has no sink, and
 * those that are on their own, are left to graphql-js.
 */
export function sharedSubscribe(formatDelta: RequestScope['chord']['formatDelta']): Subscriber {
  const sharing = { groups: new Groups(formatDelta), turns: new Turns(slice) };
  return async (args) => {
    // What the transports make of it.
    const { sink } = args.contextValue as WithSink;
    const key = sink === undefined ? undefined : shareKey(args);
    if (sink === undefined || key === undefined) return subscribe(args);
    const events = await createSourceEventStream(args);
    if (!(Symbol.asyncIterator in events)) return events;
    // What share-key.ts lets pass is a field whose events are.
    return new SharedResults(sharing, { events: events as PolledEvents, sink, args, key });
  };
}
