// Mutants of a request that joins a run: whom it may join, and what of it must survive a crash.
const runJoin = 'src/storage/ledger/run-join.ts';
const conformance = 'test/conformance/postgres.test.ts';

/** @type {readonly import('./list.mjs').Mutant[]} */
export const joinMutants = [
  {
    name: 'a request joins a run of another policy',
    changes: [
      {
        file: runJoin,
        from: ".where('run.policy_hash', '=', policyHash)",
        to: ".where('run.policy_hash', '<>', policyHash.slice(99))",
      },
    ],
    test: conformance,
    tests: 'nothing is joined where only a start can say',
  },
  {
    name: 'a request joins without the node taking part',
    changes: [
      {
        file: runJoin,
        from: ".where('tally.node', '=', node.name)",
        to: ".where('tally.node', '<>', node.name.slice(99))",
      },
    ],
    test: conformance,
    tests: 'nothing is joined where only a start can say',
  },
  {
    name: 'a joining request waits for the disk',
    changes: [
      {
        file: 'src/storage/postgres/dialect.ts',
        from: "set_config('synchronous_commit', 'off', true)",
        to: "set_config('synchronous_commit', 'on', true)",
      },
    ],
    test: 'test/guards/join.test.ts',
    tests: 'the request that makes a run is durable',
  },
  {
    name: 'every control transaction may be lost in a crash',
    changes: [
      {
        file: 'src/storage/postgres/dialect.ts',
        from: "durability === 'replayable'",
        to: "durability !== 'durable' || true",
      },
    ],
    test: 'test/guards/join.test.ts',
    tests: 'the request that makes a run is durable',
  },
];
