import { defineConfig } from 'vitest/config';

/**
 * One process per file: a test that breaks its process (a worker thread, a signal handler) breaks no other file.
 * No retries: a test that passes the second time hides a fault.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    retry: 0,
    // Generous: an embedded database takes seconds to start on a busy two-core machine. A hang still ends.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ['default', './test/reporter.ts'],
    restoreMocks: true,
    unstubEnvs: true,
  },
});
