import { describe, test } from 'vitest';
import { backendConformance } from '../../../src/conformance/conformance.ts';
import { openLmdb, reopenLmdb, reopenLmdbElsewhere } from '../../support/lmdb.ts';

backendConformance(
  'lmdb',
  () => openLmdb(),
  { describe, test },
  { reopen: reopenLmdb, reopenElsewhere: reopenLmdbElsewhere },
);
