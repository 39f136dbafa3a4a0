import { afterEach, describe, expect, test } from 'vitest';
import { builtProgram } from '../support/built.ts';
import { stopCommands } from '../support/command.ts';
import { roll } from './rolling.ts';
import { problemsIn, type RollingRecord } from './rolling-check.ts';

afterEach(stopCommands);

test('two processes are replaced one after the other, and no follower misses a delta, no write is lost', {
  timeout: 120_000,
}, async () => {
  const followers = 60;
  const script = await builtProgram();
  const report = await roll({ script, followers, contexts: 5, writesPerSecond: 60, writesBetween: 60 });
  expect(problemsIn(report)).toEqual([]);
  expect(report.exits).toEqual([0, 0]);
  expect(report.errors).toEqual([]);
  // Each process had followers, all of whom had to go elsewhere.
  expect(report.followers.filter(({ awayMs }) => awayMs.length > 0)).toHaveLength(followers);
});

/** Nothing is wrong with this one. */
function record(): RollingRecord {
  const event = { epoch: 'e', reason: undefined, others: 0 };
  return {
    contexts: new Map([['c', { version: 3, fields: ['ballast', 'a', 'b'] }]]),
    writes: ['a', 'b'].map((field, index) => {
      const version = index + 2;
      return { contextId: 'c', field, version, attempts: 1, duplicate: false, tookMs: 1 };
    }),
    followers: [
      {
        name: 'graphql-ws 0',
        contextId: 'c',
        awayMs: [],
        failures: [],
        events: [
          {
            ...event,
            kind: 'FullContext',
            reason: 'NO_POSITION',
            fromVersion: undefined,
            version: 1,
            added: ['ballast'],
          },
          { ...event, kind: 'Delta', fromVersion: 1, version: 2, added: ['a'] },
          { ...event, kind: 'NoChange', fromVersion: undefined, version: 2, added: [] },
          { ...event, kind: 'Delta', fromVersion: 2, version: 3, added: ['b'] },
        ],
      },
    ],
  };
}

type Follower = RollingRecord['followers'][number];

function withEvents(change: (events: Follower['events']) => Follower['events']): RollingRecord {
  const whole = record();
  return { ...whole, followers: whole.followers.map((one) => ({ ...one, events: change(one.events) })) };
}

function withWrites(change: Partial<RollingRecord['writes'][number]>): RollingRecord {
  const whole = record();
  const [first, ...others] = whole.writes;
  return { ...whole, writes: first === undefined ? [] : [{ ...first, ...change }, ...others] };
}

describe('the check of a rolling restart', () => {
  test('finds nothing where nothing is wrong', () => {
    expect(problemsIn(record())).toEqual([]);
  });

  test.each<[string, string, RollingRecord]>([
    [
      'a delta that is lost',
      'a delta is lost',
      withEvents((events) => events.filter(({ version, kind }) => version !== 2 || kind !== 'Delta')),
    ],
    ['a last delta that is lost', 'it ended at 2', withEvents((events) => events.slice(0, -1))],
    ['a delta that comes twice', 'a delta came twice', withEvents((events) => [...events, ...events.slice(-1)])],
    [
      'a field that comes twice',
      'a came twice',
      withEvents((events) => events.map((event) => ({ ...event, added: event.version === 3 ? ['a'] : event.added }))),
    ],
    [
      'a whole context in between',
      'EPOCH_CHANGED',
      withEvents((events) =>
        events.map((event, index) =>
          index === 2 ? { ...event, kind: 'FullContext', reason: 'EPOCH_CHANGED' } : event,
        ),
      ),
    ],
    [
      'another epoch',
      'another epoch',
      withEvents((events) => events.map((event, index) => (index === 3 ? { ...event, epoch: 'f' } : event))),
    ],
    [
      'a change that nobody made',
      'nobody made',
      withEvents((events) => events.map((event) => ({ ...event, others: event.version === 3 ? 1 : 0 }))),
    ],
    [
      'a follower that gave up',
      'gave up',
      { ...record(), followers: record().followers.map((one) => ({ ...one, failures: ['gave up'] })) },
    ],
    ['a write without an answer', 'never acknowledged', withWrites({ version: undefined })],
    ['a write that is lost', 'acknowledged and is lost', withWrites({ field: 'c' })],
    ['a version that two writes got', 'was given to', withWrites({ version: 3 })],
    [
      'a write that was done twice',
      'made it version',
      { ...record(), contexts: new Map([['c', { version: 4, fields: ['ballast', 'a', 'b'] }]]) },
    ],
  ])('finds %s', (_what, problem, wrong) => {
    expect(problemsIn(wrong).join('\n')).toContain(problem);
  });
});
