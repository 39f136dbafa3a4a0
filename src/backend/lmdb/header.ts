import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

/*
 * The first two pages of the file, as LMDB 0.9.9x lays them out (struct MDB_meta behind a page header of 24 bytes):
 *
 *   24 magic   28 version   48 page size   144 last page in use   152 transaction
 */
const magic = 0xbeefc0de;
const at = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152, end: 160 };

/**
 * Why a file cannot be opened, as the end of a sentence; undefined: nothing speaks against it.
 *
 * LMDB maps the file into memory: touching a page that a truncated file lacks would end the process with SIGBUS, and
 * no error would say why. So the pages in use are compared with the file's length first.
 */
export function headerProblem(file: string): string | undefined {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    // Made, and not written yet: LMDB begins anew.
    if (size === 0) return undefined;
    const first = metaAt(descriptor, 0);
    if (first === undefined) return 'is no store of Chord, or its beginning is lost.';
    const second = metaAt(descriptor, first.pageSize);
    if (second === undefined) return 'has lost a part of its beginning.';
    const newest = first.transaction > second.transaction ? first : second;
    const expected = (newest.lastPage + 1n) * BigInt(newest.pageSize);
    return BigInt(size) < expected ? `is ${size} bytes long and should have ${expected}.` : undefined;
  } finally {
    closeSync(descriptor);
  }
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

function metaAt(descriptor: number, offset: number): Meta | undefined {
  const page = new DataView(new ArrayBuffer(at.end));
  const isLittle = endianness() === 'LE';
  if (readSync(descriptor, page, 0, at.end, offset) < at.end) return undefined;
  if (page.getUint32(at.magic, isLittle) !== magic) return undefined;
  const pageSize = page.getUint32(at.pageSize, isLittle);
  if (pageSize < 256 || pageSize > 65_536) return undefined;
  return {
    pageSize,
    lastPage: page.getBigUint64(at.lastPage, isLittle),
    transaction: page.getBigUint64(at.transaction, isLittle),
  };
}
