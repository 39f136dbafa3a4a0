/** The file of the store, opened: whether it is ours, of a format that this Chord knows, and which store it is. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryError } from '../../errors.ts';
import { type DataDirectory, damaged, takeDirectory } from './directory.ts';
import {
  aboutKeys,
  isOurs,
  openAbout,
  openRoot,
  openTables,
  type Root,
  sizeOf,
  type Table,
  type Tables,
  tableNames,
} from './tables.ts';

/** The layout of the tables. Raised by whatever an older Chord would misread. */
const format = 1;

/** A file that is open. */
export interface OpenFile {
  readonly tables: Tables;
  readonly serverId: string;
}

/** @throws DataDirectoryError for a file of another program, of a newer Chord, or one that cannot be read. */
export function openFile({ path, file }: DataDirectory): OpenFile {
  const root = reading(path, () => openRoot(file));
  try {
    const serverId = reading(path, () => identityOf(root, path));
    return { tables: reading(path, () => openTables(root)), serverId };
  } catch (error) {
    // The file was only looked at, and that it cannot be used is what counts.
    root.close().catch(() => undefined);
    throw error;
  }
}

/**
 * Gives a closed store another identity: what was restored from a backup may lack a tail that clients have seen.
 *
 * @throws DataDirectoryError also when there is no store.
 */
export async function renewIdentity(path: string): Promise<string> {
  if (!existsSync(join(path, 'data.mdb'))) {
    throw new DataDirectoryError(path, 'holds no store. Name the directory of one, by --data-dir or CHORD_DATA_DIR.');
  }
  const directory = takeDirectory(path);
  try {
    const { tables } = openFile(directory);
    const serverId = newIdentity();
    tables.about.putSync(aboutKeys.serverId, serverId);
    await tables.root.close();
    return serverId;
  } finally {
    directory.release();
  }
}

/** What the table `chord` says. A file without any table is new, and gets one. */
function identityOf(root: Root, path: string): string {
  const names = tableNames(root);
  if (!names.every(isOurs)) {
    throw new DataDirectoryError(path, 'holds an LMDB file of another program. Choose another directory.');
  }
  const about = openAbout(root);
  const found = about.get(aboutKeys.format);
  const serverId = about.get(aboutKeys.serverId);
  // The other tables are made after these two rows: nothing was stored before.
  if (names.length <= 1 && sizeOf(about) === 0) return begin(root, about);
  assertFormat(path, found);
  if (serverId === undefined) throw damaged(path, 'has lost its identity.');
  return serverId;
}

function begin(root: Root, about: Table): string {
  const serverId = newIdentity();
  root.transactionSync(() => {
    about.putSync(aboutKeys.format, String(format));
    about.putSync(aboutKeys.serverId, serverId);
  });
  return serverId;
}

function assertFormat(path: string, found: string | undefined): void {
  if (found === String(format)) return;
  if (Number(found) > format) {
    throw new DataDirectoryError(
      path,
      `has format ${found}; this Chord knows ${format}. Start the newer Chord that wrote it, or choose another directory.`,
    );
  }
  const problem =
    found === undefined
      ? 'has lost its format.'
      : `has the format ${JSON.stringify(found)}, which no Chord has written.`;
  throw damaged(path, problem);
}

function newIdentity(): string {
  return randomBytes(12).toString('base64url');
}

function reading<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof DataDirectoryError) throw error;
    throw damaged(path, `cannot be read (${error instanceof Error ? error.message : String(error)}).`, {
      cause: error,
    });
  }
}
