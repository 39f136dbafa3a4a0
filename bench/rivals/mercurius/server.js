/**
 * Fastify with Mercurius, its JIT and its own pub/sub, as their documentation shows it. Run by `bench/servers.ts`.
 */
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { Contexts } from '../contexts.ts';
import { resolvers, typeDefs } from '../schema.ts';

const contexts = new Contexts();
const app = Fastify({ logger: false });

const { Query, Mutation } = resolvers(contexts, (event) =>
  // Nobody waits for it: a good pub/sub calls back when everybody has taken it.
  app.graphql.pubsub.publish({ topic: event.contextId, payload: { contextChanged: event } }, () => undefined),
);

app.register(mercurius, {
  jit: 1,
  subscription: true,
  schema: typeDefs,
  resolvers: {
    Query,
    Mutation,
    Subscription: {
      contextChanged: {
        subscribe: async (_, { id, ...position }, { pubsub }) => {
          const queue = await pubsub.subscribe(id);
          queue.unshift({ contextChanged: contexts.sync(id, position) });
          return queue;
        },
      },
    },
  },
});

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
