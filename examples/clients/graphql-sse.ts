// docs:begin
import { createClient } from 'graphql-sse';
import { type FollowData, type FollowOptions, followQuery, Replica } from './replica.ts';

export function followWithGraphqlSse({ url, id, onEvent, onError }: FollowOptions): () => void {
  const replica = new Replica();
  // Every connection is a subscription of ours with the position of now, so the library's own retries are off.
  const client = createClient({
    url,
    retryAttempts: 0,
    fetchFn: (input: string, init: RequestInit) => fetch(input, init).then(withLateEnd),
  });
  let unsubscribe: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  const subscribe = () => {
    unsubscribe = client.subscribe<FollowData>(
      { query: followQuery, variables: { id, ...replica.position } },
      {
        next: ({ data, errors }) => {
          failures = 0;
          if (errors !== undefined) onError(errors);
          if (!data) return;
          if (replica.take(data.contextChanged)) return onEvent(data.contextChanged, replica.state);
          unsubscribe?.();
          subscribe();
        },
        error: () => {
          timer = setTimeout(subscribe, Math.random() * Math.min(500 * 2 ** failures++, 30_000));
        },
        complete: () => undefined,
      },
    );
  };
  subscribe();
  return () => {
    clearTimeout(timer);
    unsubscribe?.();
    client.dispose();
  };
}

/** graphql-sse 2.6.1 waits for ever when a stream ends in the same moment as an event arrives: the end comes later. */
export function withLateEnd(response: Response): Response {
  const lateEnd = new TransformStream({ flush: () => new Promise((resolve) => setTimeout(resolve)) });
  return new Response(response.body?.pipeThrough(lateEnd) ?? null, response);
}
// docs:end
