/**
 * graphql-yoga with graphql-ws and its own pub/sub, as their documentation shows it. Run by `bench/servers.ts`.
 */
import { setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga, type Repeater } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import { Contexts, type Delta, type First } from './contexts.ts';
import { type FollowArgs, resolvers, typeDefs } from './schema.ts';

// Its pub/sub is an EventTarget, which warns of more than ten.
setMaxListeners(0);

const contexts = new Contexts();
const pubSub = createPubSub<{ contextChanged: [id: string, event: Delta | First] }>();

const yoga = createYoga({
  logging: false,
  graphiql: false,
  landingPage: false,
  schema: createSchema({
    typeDefs,
    resolvers: {
      ...resolvers(contexts, (event) => pubSub.publish('contextChanged', event.contextId, event)),
      Subscription: {
        contextChanged: {
          subscribe: (_: unknown, { id, ...position }: FollowArgs) =>
            startWith(contexts.sync(id, position), pubSub.subscribe('contextChanged', id)),
          resolve: (event: Delta | First) => event,
        },
      },
    },
  }),
});

const server = createServer((request, response) => void yoga(request, response));

/** Costs less than `Repeater.merge`, and ends at once when its subscriber leaves, as a generator would not. */
function startWith<T>(first: T, rest: Repeater<T>): AsyncIterableIterator<T> {
  // A repeater listens from the first time that it is asked.
  const ready = [Promise.resolve({ done: false, value: first }), rest.next()];
  return {
    next: () => ready.shift() ?? rest.next(),
    return: () => rest.return(),
    throw: (error: unknown) => rest.throw(error),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** What yoga's envelop makes of an operation. */
type Enveloped = ReturnType<typeof yoga.getEnveloped>;

// https://the-guild.dev/graphql/yoga-server/docs/features/subscriptions#graphql-over-websocket-protocol-via-graphql-ws
useServer(
  {
    // graphql-ws hands over what onSubscribe returned, which has both.
    execute: (args) => (args as unknown as Enveloped).execute(args),
    subscribe: (args) => (args as unknown as Enveloped).subscribe(args),
    onSubscribe: async (ctx, _id, params) => {
      const enveloped = yoga.getEnveloped({ ...ctx, req: ctx.extra.request, socket: ctx.extra.socket, params });
      const { schema, execute, subscribe, contextFactory, parse, validate } = enveloped;
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        execute,
        subscribe,
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
);

server.listen(Number(process.env['PORT']), '127.0.0.1');
