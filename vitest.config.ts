import { defineConfig } from 'vitest/config';

// `vitest run` runs both; test/bench is run by hand.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/bench/**', 'test/e2e/**'],
          maxWorkers: '100%', // by default one core is left idle
          testTimeout: 10_000,
        },
      },
      {
        // Real Envoys: after the others and one file at a time.
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
