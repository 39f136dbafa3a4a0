import assert from 'node:assert/strict';
import type { Backend, Lease } from '../backend/backend.ts';
import { start } from './draft.ts';
import type { Group } from './suite.ts';

export const lease: Group = {
  name: 'lease',
  define(test) {
    test('B40: a lease has one holder', async ({ backend }) => {
      const leases = await Promise.all(Array.from({ length: 5 }, () => backend.lease('job', 100, start)));
      assert.equal(leases.filter((one) => one !== undefined).length, 1);
      assert.equal(await backend.lease('job', 100, start + 99), undefined);
    });

    test('B40: leases of other names are free', async ({ backend }) => {
      await take(backend, 'job', start);
      await take(backend, 'other', start);
      await take(backend, '__proto__', start);
    });

    test('B41: a lease that has run out goes to the next, with a higher fence', async ({ backend }) => {
      const first = await take(backend, 'job', start);
      const second = await take(backend, 'job', start + 100);
      assert.ok(second.fence > first.fence);
    });

    test('B41: a released lease goes to the next at once, with a higher fence', async ({ backend }) => {
      const first = await take(backend, 'job', start);
      await first.release();
      const second = await take(backend, 'job', start + 1);
      assert.ok(second.fence > first.fence);
      await second.release();
      assert.ok((await take(backend, 'job', start + 2)).fence > second.fence);
    });

    test('B42: a renewed lease runs from its renewal', async ({ backend }) => {
      const first = await take(backend, 'job', start);
      assert.equal(await first.renew(start + 99), true);
      assert.equal(await backend.lease('job', 100, start + 198), undefined);
      assert.notEqual(await backend.lease('job', 100, start + 199), undefined);
    });

    test('B42: a lease that has run out or was released is not renewed', async ({ backend }) => {
      const late = await take(backend, 'job', start);
      assert.equal(await late.renew(start + 100), false);
      const next = await take(backend, 'job', start + 100);
      assert.equal(await late.renew(start + 101), false, 'Another holds it');
      await next.release();
      assert.equal(await next.renew(start + 102), false, 'It was released');
    });

    test('B42: who has lost a lease cannot take it from its holder', async ({ backend }) => {
      const lost = await take(backend, 'job', start);
      const holder = await take(backend, 'job', start + 100);
      await lost.release();
      assert.equal(await backend.lease('job', 100, start + 150), undefined);
      assert.equal(await holder.renew(start + 150), true);
    });
  },
};

async function take(backend: Backend, name: string, nowMs: number): Promise<Lease> {
  const taken = await backend.lease(name, 100, nowMs);
  assert.ok(taken !== undefined, `The lease ${name} must be free.`);
  return taken;
}
