import { defineConfig } from 'vitest/config';

/**
 * One process per file: a test that breaks its process (a worker thread, a signal handler) breaks no other file.
 * No retries: a test that passes the second time hides a fault.
 */
const common = {
  pool: 'forks',
  retry: 0,
  // Generous: an embedded database takes seconds to start on a busy two-core machine. A hang still ends.
  testTimeout: 30_000,
  hookTimeout: 60_000,
  teardownTimeout: 10_000,
  restoreMocks: true,
  unstubEnvs: true,
} as const;

/** They saturate processors, freeze and kill processes, or watch a clock: each file has the machine for itself. */
const alone = [
  ...['chaos', 'crash', 'gentleness', 'harness', 'race'].map((folder) => `test/${folder}/**/*.test.ts`),
  'test/multi/chaos.test.ts',
  'test/multi/two-clusters.test.ts',
  'test/signals/mariadb-signals.test.ts',
  'test/signals/mariadb-waiters.test.ts',
  'test/signals/postgres.test.ts',
];

export default defineConfig({
  test: {
    reporters: ['default', './test/reporter.ts'],
    projects: [
      {
        test: {
          ...common,
          name: 'beside others',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: { ...common, name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
