import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // Our files and the libraries must share one copy of graphql; vite would load the .mjs build beside the .js one.
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Two files side by side: while one waits, for sockets and other processes, the other computes.
    maxWorkers: 2,
    // They share the machine, with each other and with whatever else it does.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
