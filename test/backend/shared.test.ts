import { describe, test } from 'vitest';
import { backendConformance } from '../../src/conformance/conformance.ts';
import { SharedBackend } from './shared.ts';

backendConformance(
  'memory, as several processes see it',
  () => SharedBackend.open(),
  { describe, test },
  {
    another: (backend) => backend.another(),
    reopen: (closed) => closed.another(),
    reopenElsewhere: (closed) => closed.elsewhere(),
  },
);
