import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  // The limits are for what hangs, not for a machine that is busy; a hook is not tried again.
  test: { include: ['test/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 240_000 },
});

export default config;
