/*
 * Uses data directories in a process that may be killed, or die of what it finds. Told a path it opens that and says
 * so; told a path and ids it looks around there.
 */
import { LmdbBackend } from '../../../src/backend/lmdb/lmdb.ts';
import { lookAround } from './looks.ts';

process.on('message', (message) => {
  // The parent is ours.
  const { path, ids } = message as { readonly path: string; readonly ids?: readonly string[] };
  if (ids === undefined) {
    LmdbBackend.open({ path });
    process.send?.({ kind: 'open' });
  } else {
    lookAround(path, ids).then(
      (look) => process.send?.(look),
      (error: unknown) => process.send?.({ kind: 'failed', error: String(error) }),
    );
  }
});
