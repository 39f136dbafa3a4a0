import { BackendUnavailableError, RedisStoreError } from '../../../errors.ts';

/**
 * Waits for a store before a server begins to serve. One that is merely away comes back by itself: it is warned of, and
 * not waited for any longer.
 *
 * @throws RedisStoreError when somebody has to change something first.
 */
export async function reach(
  store: { readonly ready: () => Promise<void> },
  onWarning: (text: string) => void,
): Promise<void> {
  try {
    await store.ready();
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error;
    if (error.cause instanceof RedisStoreError) throw error.cause;
    onWarning(`The server starts without its store, and is not ready before that is there. ${error.message}`);
  }
}
