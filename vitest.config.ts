import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Test files run two at a time: each one starts real servers of its own (cache, S3, runner), and the
// machines that run this have two cores.
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    globalSetup: 'test/support/temp-root.ts',
    pool: 'forks',
    maxWorkers: 2,
    // For a test that hangs, not for one on a machine that is busy: some start several programs one after the other.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    // What a test waits for comes when the machine has time for it: a test's own limit is the limit.
    expect: { poll: { timeout: 120_000 } },
  },
});

export default config;
