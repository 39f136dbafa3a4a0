/* A viewer while it is here, and a subscription while it is permitted: what only their order in time can show. */
import { afterEach, describe, expect, test } from 'vitest';
import { guard } from '../../src/access/guard.ts';
import { PermittedEvents } from '../../src/access/permitted-events.ts';
import { revoked } from '../../src/access/refusals.ts';
import { Revocations } from '../../src/access/revocations.ts';
import { Session } from '../../src/access/session.ts';
import { createViewer, type Viewer } from '../../src/access/viewer.ts';
import { MemoryBackend } from '../../src/backend/memory.ts';
import { createService } from '../../src/chord.ts';
import { ForbiddenError, UnauthenticatedError } from '../../src/errors.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import { rejectionOf } from '../support/chord.ts';
import { ManualClock } from '../support/clock.ts';
import { FaultyBackend } from '../support/faulty-backend.ts';
import { until } from '../support/wait.ts';

const anna = createViewer({ id: 'anna', grants: [{ may: ['read', 'write'] }] });
const chord = createService({ backend: new MemoryBackend() });
const opened: Revocations[] = [];

afterEach(() => {
  for (const revocations of opened.splice(0)) revocations.close();
});

/** A session of Anna, whose credentials can be made void, on a store that can fail. */
function stage() {
  let viewer: Viewer | undefined = anna;
  const clock = new ManualClock();
  const link = new FaultyBackend(new MemoryBackend());
  const revocations = new Revocations({ notes: link, clock, logger: silentLogger });
  opened.push(revocations);
  const open = new Set<Session>();
  const session = new Session(anna, { clock, revocations, currentViewer: () => viewer, open, graceMs: 0 });
  const follow = () =>
    new PermittedEvents({ session, id: 'c', follow: (signal) => chord.follow('c', null, { signal }) });
  const takeAway = () => {
    viewer = undefined;
  };
  return { link, open, session, revocations, follow, takeAway };
}

test('credentials that are taken away before the first event is asked for bring none', async () => {
  const { follow, takeAway, open } = stage();
  const events = follow();
  takeAway();
  expect(await rejectionOf(events.next())).toEqual(revoked());
  expect(open.size).toBe(0);
});

test('an event that waits until it is known what was revoked is not handed out to who has left meanwhile', async () => {
  const { follow, link } = stage();
  link.failingReads = Number.POSITIVE_INFINITY;
  const events = follow();
  const looks = link.calls.noteRevision;
  const next = events.next();
  await until('it to be asked for', () => link.calls.noteRevision > looks);
  await events.return();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('a context that a write has changed is shown to who may still read it when it is asked for', async () => {
  const { session } = stage();
  const { context } = await guard(chord, session).setContext('shown', { n: 1 });
  expect(await context()).toMatchObject({ state: { n: 1 } });
  session.recheck(createViewer({ id: 'anna', grants: [{ may: ['write'] }] }));
  expect(await context()).toBeNull();
});

describe('new credentials', () => {
  test('that were revoked are refused', async () => {
    const { session, revocations } = stage();
    await revocations.revoke({ viewerId: 'anna' });
    expect(() => session.refresh(createViewer({ id: 'anna', grants: [{ may: ['read'] }] }))).toThrow(revoked());
    expect(session.viewer).toBe(anna);
  });

  test('end the subscriptions that they do not permit', async () => {
    const { session, follow } = stage();
    const events = follow();
    await events.next();
    session.refresh(createViewer({ id: 'anna', grants: [{ may: ['write'] }] }));
    expect(await rejectionOf(events.next())).toEqual(new ForbiddenError());
  });
});

describe('a session that has ended', () => {
  test('is not gone on with by new credentials, which came too late', () => {
    const { session } = stage();
    session.recheck(undefined);
    expect(() => session.refresh(createViewer({ id: 'anna', grants: [{ may: ['read'] }] }))).toThrow(
      UnauthenticatedError,
    );
    expect(session.viewer).toBe(anna);
  });
});
