import { defineConfig } from 'vitest/config';

/** They measure memory or time out under load of others, or put the machine under load themselves: one after the other. */
const alone = [
  'test/chaos/**/*.test.ts',
  'test/durability/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
  'test/main*.test.ts',
  'test/processes/**/*.test.ts',
  'test/server/{abuse,slow-reader}.test.ts',
];

export default defineConfig({
  resolve: {
    // Our files and the libraries must share one copy of graphql; vite would load the .mjs build beside the .js one.
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          // Most of them wait, for sockets and other processes.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 2 } } },
    ],
  },
});
