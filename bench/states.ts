import type { JsonObject } from '../src/delta/json.ts';

/** A meeting: about 200 bytes for each participant. */
export function meetingState(participants: number): JsonObject {
  return {
    topic: 'Planning',
    startedAt: '2026-01-31T12:00:00.000Z',
    participants: Object.fromEntries(
      Array.from({ length: participants }, (_, index) => [
        `p${index}`,
        {
          name: `Participant ${index}`,
          role: index === 0 ? 'host' : 'guest',
          muted: true,
          handRaised: false,
          volume: 50,
          joinedAt: '2026-01-31T12:00:00.000Z',
          device: { os: 'linux', browser: 'firefox', version: '142.0' },
        },
      ]),
    ),
  };
}

/** 1 MB as 100 objects of 10 kB. */
export function nestedState(): JsonObject {
  return Object.fromEntries(
    Array.from({ length: 100 }, (_, part) => [
      `part${part}`,
      Object.fromEntries(
        Array.from({ length: 50 }, (_item, item) => [
          `item${item}`,
          { note: 'x'.repeat(160), count: item, done: false },
        ]),
      ),
    ]),
  );
}

/** 1 MB as 20,000 keys of one object, but a few bytes. */
export function wideState(): JsonObject {
  return Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`key${index}`, `value ${'x'.repeat(28)}`]));
}
