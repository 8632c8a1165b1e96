import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Test files run two at a time: each one starts real servers of its own (cache, S3, runner), and the
// machines that run this have two cores.
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

export default config;
