import { createRequire } from 'node:module';

/** The part of `fs-native-extensions` that is used; it brings no types. */
interface NativeLocks {
  tryLock(descriptor: number): boolean;
}

/**
 * Locks an open file, unless another open file has the lock: then false. The lock is the kernel's and belongs to the
 * descriptor: closing that ends it, and so does the end of the process, however it comes.
 *
 * Not on Linux with musl, for which the package has no binary.
 */
export function tryLockFile(descriptor: number): boolean {
  // CommonJS and native: loaded when it is needed, so that whoever stores elsewhere can do without.
  const locks = createRequire(import.meta.url)('fs-native-extensions') as NativeLocks;
  return locks.tryLock(descriptor);
}
