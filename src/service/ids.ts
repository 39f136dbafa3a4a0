import { randomFillSync } from 'node:crypto';

const bytesPerEpoch = 12;
const pool = Buffer.alloc(bytesPerEpoch * 128);
let used = pool.length;

/** A new epoch: 96 random bits as 16 characters of `[A-Za-z0-9_-]`. Drawn from a pool, so that it costs little. */
export function newEpoch(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytesPerEpoch;
  return pool.toString('base64url', used - bytesPerEpoch, used);
}

/** Makes ids that no other write of any process has: a random prefix and a counter. */
export function createWriteIds(): () => string {
  const prefix = newEpoch();
  let count = 0;
  return () => `${prefix}.${(count++).toString(36)}`;
}
