// docs:begin
import { EventSource } from 'eventsource'; // browsers have their own
import { type FollowData, type FollowOptions, followQuery, Replica } from './replica.ts';

export function followWithEventSource({ url, id, onEvent, onError }: FollowOptions): () => void {
  const replica = new Replica();
  let source: EventSource;

  const open = () => {
    const variables = JSON.stringify({ id, ...replica.position });
    source = new EventSource(`${url}?${new URLSearchParams({ query: followQuery, variables })}`);
    source.addEventListener('next', ({ data: text }) => {
      const { data, errors } = JSON.parse(text) as { data?: FollowData | null; errors?: unknown };
      if (errors !== undefined) onError(errors);
      if (!data) return;
      if (replica.take(data.contextChanged)) return onEvent(data.contextChanged, replica.state);
      source.close();
      open();
    });
    // Said by the server when it refused the subscription. Without this the browser would ask again for ever.
    source.addEventListener('complete', () => source.close());
  };
  open();
  return () => source.close();
}
// docs:end
