import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // Our files and the libraries must share one copy of graphql; vite would load the .mjs build beside the .js one.
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/redis/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
