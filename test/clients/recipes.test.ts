import { beforeAll, describe, expect, test } from 'vitest';
import { followWithApollo } from '../../examples/clients/apollo.ts';
import { followWithEventSource } from '../../examples/clients/event-source.ts';
import { followWithGraphqlSse } from '../../examples/clients/graphql-sse.ts';
import { followWithGraphqlWs } from '../../examples/clients/graphql-ws.ts';
import { followWithUrql } from '../../examples/clients/urql.ts';
import { installTimeoutMs, needProgram } from '../support/programs.ts';
import { until } from '../support/wait.ts';
import { followWithCurl } from './curl.ts';
import { countContinuous, kindOf, loseConnections, play, type Recipe } from './play.ts';
import type { Protocol } from './stage.ts';

const libraries: readonly { readonly name: string; readonly protocol: Protocol; readonly recipe: Recipe }[] = [
  { name: 'graphql-ws', protocol: 'WebSocket', recipe: followWithGraphqlWs },
  { name: 'graphql-sse', protocol: 'SSE', recipe: followWithGraphqlSse },
  { name: 'EventSource', protocol: 'SSE', recipe: followWithEventSource },
  { name: 'urql', protocol: 'WebSocket', recipe: followWithUrql },
  { name: 'Apollo Client', protocol: 'WebSocket', recipe: followWithApollo },
];
beforeAll(async () => {
  await needProgram(['curl'], 'curl');
}, installTimeoutMs);

const recipes = [...libraries, { name: 'curl', protocol: 'SSE', recipe: followWithCurl } as const];

describe.each(recipes)('the recipe for $name', { concurrent: true, timeout: 60_000 }, ({ protocol, recipe }) => {
  test('is at a real state after every event, and resumes by delta, however often the connection is lost', () =>
    play(recipe, async (scene) => {
      await loseConnections(scene, protocol);
      await scene.catchUp();
      expect(countContinuous(scene.seen)).toMatchObject({ FullContext: 1, ContextGone: 0, NoContext: 0 });
    }));

  test('is told NO_CHANGE when the connection was lost and nothing was written', () =>
    play(recipe, async (scene) => {
      const { stage, seen } = scene;
      await scene.catchUp();
      const before = seen.length;
      stage.cut('reset');
      await until('the event after the cut', () => seen.length > before);
      expect(seen.slice(before).map(({ event }) => kindOf(event))).toEqual(['NoChange']);
      stage.startWriting();
      await scene.catchUp();
      expect(countContinuous(seen)).toMatchObject({ FullContext: 1, NoChange: 1 });
    }));

  test('ends its position when the context is deleted, and takes the next life', () =>
    play(recipe, async ({ stage, seen, catchUp }) => {
      const last = () => seen.slice(-1).map(({ event }) => kindOf(event))[0];
      await catchUp();
      await stage.delete();
      await until('GONE', () => last() === 'ContextGone');
      const { connections } = stage;
      const before = seen.length;
      stage.cut('end');
      await until('GONE again, over another connection', () => stage.connections > connections && seen.length > before);
      expect(last()).toBe('ContextGone');
      await stage.create();
      stage.startWriting();
      await until('deltas of the next life', () => last() === 'Delta');
      await catchUp();
      expect(countContinuous(seen)).toMatchObject({ FullContext: 2, ContextGone: 2, NoContext: 0 });
    }));
});

describe.each(libraries)('the recipe for $name', { concurrent: true }, ({ recipe }) => {
  test('subscribes again and starts from FULL when an event does not continue its copy', () =>
    play(recipe, async (scene) => {
      const { stage, seen } = scene;
      await scene.reconnect(() => stage.forge());
      await scene.catchUp();
      expect(countContinuous(seen)).toMatchObject({ FullContext: 2, ContextGone: 0, NoContext: 0 });
    }));
});
