// Mutants of the look for those who wait for a batch, in the form of list.mjs.
const waiters = 'src/storage/postgres/waiters.ts';

/** @type {readonly import('./list.mjs').Mutant[]} */
export const waitersMutants = [
  {
    name: 'waiters not looked for',
    changes: [{ file: waiters, from: 'if (waiting > 0) {', to: 'if (waiting > 1e9) {' }],
    test: 'test/guards/waiters.test.ts',
    tests: 'makes the batch give everything back',
  },
  {
    name: 'waiters: a cancel on its way not waited for',
    changes: [
      {
        file: waiters,
        from: 'try {\n        await cancelling;',
        to: 'try {\n        await Promise.resolve();',
      },
    ],
    test: 'test/guards/waiters.test.ts',
    tests: 'a cancel that nobody answers',
  },
  {
    name: 'waiters: our own nodes counted',
    changes: [
      { file: waiters, from: "WHERE ${notOurs('a')} AND", to: 'WHERE' },
      { file: waiters, from: "import { notOurs } from './signals/others.js';\n", to: '' },
    ],
    test: 'test/guards/waiters.test.ts',
    tests: 'of our own nodes',
  },
];
