// The mutants: what is broken, by exact replacement of a text that stands once in its file, and which tests must go
// red. First the eleven ways to lose exactness, then the guards of "messages first" by their letters, then further
// guards. A replacement must still compile: a mutant that the compiler finds proves nothing about the tests.
import { joinMutants } from './join-list.mjs';
import { mappingMutants } from './mapping-list.mjs';
import { waitersMutants } from './waiters-list.mjs';

const batch = 'src/storage/postgres/batch.ts';
const spanRow = 'src/storage/postgres/span-row.ts';
const foreignKeys = 'src/storage/postgres/foreign-keys.ts';
const guards = 'src/storage/postgres/plan-guards.ts';
const sweepSpan = 'src/coreapp/sweep-span.ts';
const planRun = 'src/coreapp/plan-run.ts';
const runEnd = 'src/storage/ledger/run-end.ts';

const conformance = 'test/conformance/postgres.test.ts';
const letters = 'test/guards/foreign-keys.test.ts';
const dependents = 'test/guards/dependents.test.ts';
const lost = 'test/guards/lost-connection.test.ts';
const limits = 'test/guards/time-limits.test.ts';
const blocks = 'test/guards/blocks.test.ts';
const resume = 'test/guards/resume.test.ts';

/**
 * @typedef {{ file: string, from: string, to: string }} Change
 * @typedef {{ name: string, changes: readonly Change[], test: string, tests: string }} Mutant
 *   `test`: the file that is run; `tests`: the beginning or a part of the names in it, as a regular expression.
 */

/** @type {readonly Mutant[]} */
export const mutants = [
  {
    name: 'tally in its own transaction',
    changes: [
      {
        file: spanRow,
        from: '  const stays = state ===',
        to: "  await client.query('COMMIT; BEGIN');\n  const stays = state ===",
      },
    ],
    test: lost,
    tests: 'when the rows are gone and their count is not written',
  },
  {
    name: 'fence compare dropped',
    changes: [
      {
        file: spanRow,
        from: 'AND s.fence = ${span.fence} AND',
        to: 'AND s.fence >= 0 * ${span.fence} AND',
      },
      {
        file: spanRow,
        from: "AND fence = ${span.fence} AND state = 'leased' RETURNING",
        to: "AND fence >= 0 * ${span.fence} AND state = 'leased' RETURNING",
      },
    ],
    test: conformance,
    tests: 'a span that was taken over refuses its former owner',
  },
  {
    name: 'batch compare dropped',
    changes: [
      {
        file: sweepSpan,
        from: 'if (known.batches >= 0 && answer.before.batches > known.batches) {',
        to: 'if (known.batches < -1 && answer.before.batches > known.batches) {',
      },
    ],
    test: lost,
    tests: 'after COMMIT, before its answer leaves the count exact',
  },
  {
    name: 'predicate not repeated in the DELETE of locked rows',
    changes: [
      {
        file: 'src/storage/postgres/delete-locked.ts',
        from: 'WHERE ${match} AND ${collectableInRangeSql(policy, plan, held, parameters)}`',
        to: 'WHERE ${match} AND (true OR ${collectableInRangeSql(policy, plan, held, parameters)})`',
      },
    ],
    test: dependents,
    tests: 'a hold that is set between the lock and the DELETE',
  },
  {
    name: 'predicate not repeated in the DELETE of a range',
    changes: [
      {
        file: 'src/storage/postgres/delete-locked.ts',
        from: 'range.to)} AND ${collectableInRangeSql(policy, plan, held, parameters)}`',
        to: 'range.to)} AND (true OR ${collectableInRangeSql(policy, plan, held, parameters)})`',
      },
    ],
    test: conformance,
    tests: 'messages that are not processed, too young or dated in the future stay',
  },
  {
    name: 'lost COMMIT treated as failed: its outcome is not waited for',
    changes: [{ file: spanRow, from: '     FOR UPDATE OF s, t`,', to: '`,' }],
    test: lost,
    tests: 'with a COMMIT that is still under way',
  },
  {
    name: 'lost COMMIT treated as failed: its dependents are forgotten',
    changes: [{ file: spanRow, from: 'FOR UPDATE OF s, t`,', to: 'FOR UPDATE OF s`,' }],
    test: lost,
    tests: 'with a COMMIT that is still under way',
  },
  {
    name: 'lost COMMIT treated as failed: the run is given up',
    changes: [
      {
        file: sweepSpan,
        from: "      deps.watch.gaveUp('unreachable');\n",
        to: "      deps.watch.gaveUp('unreachable');\n      if (failures > 0) {\n        await failRun(deps, run, error.message);\n        return true;\n      }\n",
      },
    ],
    test: lost,
    tests: 'after COMMIT, before its answer leaves the count exact',
  },
  {
    name: 'ending without closing the spans',
    changes: [
      {
        file: runEnd,
        from: 'else await closeSpans(trx, runId);',
        to: "else if (runId === '') await closeSpans(trx, runId);",
      },
    ],
    test: conformance,
    tests: 'ending as failed closes the spans',
  },
  {
    name: 'callback inserted after the commit',
    changes: [
      {
        file: runEnd,
        from: '      await tellAndTotal(dialect, trx, runId, ending);\n    }),\n  );\n',
        to: "      await tellAndTotal(dialect, trx, runId, { ...ending, tell: false });\n    }),\n  ).then(async (ended) => {\n    if (ended) await control(dialect, 'tell', (trx) => tellAndTotal(dialect, trx, runId, ending));\n    return ended;\n  });\n",
      },
    ],
    test: lost,
    tests: 'at the end of a run, after its COMMIT',
  },
  {
    name: 'ROLLBACK after an error left out',
    changes: [
      {
        file: batch,
        from: "await client.query('ROLLBACK').catch(() => undefined);",
        to: 'await Promise.resolve();',
      },
    ],
    test: limits,
    tests: 'let everything go',
  },
  {
    name: 'idle time-out left out',
    changes: [
      {
        file: 'src/storage/postgres/start-up-options.ts',
        from: '`idle_in_transaction_session_timeout=${idleInTransactionMs}`',
        to: '`idle_in_transaction_session_timeout=${0 * idleInTransactionMs}`',
      },
      {
        file: spanRow,
        from: "= '${idleInTransactionMs}ms'`",
        to: "= '${0 * idleInTransactionMs}ms'`",
      },
    ],
    test: limits,
    tests: 'that stand still before COMMIT',
  },
  {
    name: 'parked range not written',
    changes: [
      {
        file: batch,
        from: 'if (result.skipped > 0 && !stays) await parkSpan(',
        to: 'if (result.skipped < 0 && !stays) await parkSpan(',
      },
    ],
    test: limits,
    tests: 'wait for a lock of the application for a tenth of a second',
  },
  {
    name: 'dependents touched before the message is locked',
    changes: [
      {
        file: 'src/storage/postgres/dependents.ts',
        from: 'WHERE ${where} ${lock})',
        to: "WHERE ${where} ${lock === 'FOR UPDATE' ? '' : lock})",
      },
    ],
    test: dependents,
    tests: 'a dependent that comes while its message is being deleted waits and is refused \\(checked',
  },
  {
    name: '(a) foreign keys that the mapping does not name are passed over',
    changes: [
      {
        file: foreignKeys,
        from: 'if (!isNamed && !isHarmless',
        to: "if (!isNamed && key.name === '' && !isHarmless",
      },
    ],
    test: letters,
    tests: '\\(a\\) a foreign key into',
  },
  {
    name: '(b) triggers are passed over',
    changes: [
      {
        file: foreignKeys,
        from: "AND ((NOT tgisinternal AND tgenabled <> 'D') OR (tgisinternal AND tgenabled <> 'O'))",
        to: 'AND false',
      },
    ],
    test: letters,
    tests: '\\(b\\) a trigger of the application fires',
  },
  {
    name: '(b) rules are passed over',
    changes: [
      {
        file: foreignKeys,
        from: 'FROM pg_rewrite WHERE ev_class = ANY($1::oid[])\n     UNION',
        to: 'FROM pg_rewrite WHERE ev_class = ANY($1::oid[]) AND false\n     UNION',
      },
    ],
    test: letters,
    tests: '\\(b\\) a rule of the application',
  },
  {
    name: '(b) inheritance children are passed over',
    changes: [
      {
        file: foreignKeys,
        from: 'FROM pg_inherits WHERE inhparent = ANY($1::oid[])\n     LIMIT',
        to: 'FROM pg_inherits WHERE inhparent = ANY($1::oid[]) AND false\n     LIMIT',
      },
    ],
    test: letters,
    tests: '\\(b\\) what refers to an inheritance child',
  },
  {
    name: '(c) row level security is a filter',
    changes: [
      {
        file: 'src/storage/postgres/start-up-options.ts',
        from: "'row_security', value: 'off', holds: (found: string) => found === 'off'",
        to: "'row_security', value: 'on', holds: (found: string) => found === 'on'",
      },
    ],
    test: letters,
    tests: '\\(c\\) a policy that hides rows',
  },
  {
    name: '(d) the privilege is taken for granted',
    changes: [
      {
        file: foreignKeys,
        from: 'if (role === undefined || role.superuser) return null;',
        to: 'if (role === undefined || role.version > 0) return null;',
      },
    ],
    test: letters,
    tests: '\\(d\\) without the privilege',
  },
  {
    name: '(e) the fingerprint is not compared',
    changes: [{ file: guards, from: '[`${shapeSql(oids)} <> ', to: '[`false AND ${shapeSql(oids)} <> ' }],
    test: letters,
    tests: '\\(e\\) a foreign key that is added',
  },
  {
    name: '(e) the fingerprint leaves the dependents out',
    changes: [{ file: foreignKeys, from: "oids.map(Number).join(',')", to: 'Number(oids[0])' }],
    test: letters,
    tests: '\\(e\\) so does one into the dependents',
  },
  {
    name: 'a rewritten table is walked on',
    changes: [
      { file: spanRow, from: 'guards.unshift(`${file} <> ', to: 'guards.unshift(`false AND ${file} <> ' },
    ],
    test: blocks,
    tests: 'begins anew when the table is rewritten in mid-run: VACUUM FULL letters, uuid key, with 2900',
  },
  {
    name: 'a rewritten table is looked at on',
    changes: [
      {
        file: 'src/storage/postgres/bounds.ts',
        from: "if (found?.file !== plan.guards['file'])",
        to: "if (found?.file === '')",
      },
    ],
    test: blocks,
    tests: 'walks a table again that is rewritten during the look',
  },
  {
    name: 'no look after a walk by blocks',
    changes: [
      { file: 'src/storage/postgres/planner.ts', from: "look: walk.walk === 'blocks',", to: 'look: false,' },
    ],
    test: blocks,
    tests: 'finds the rows that an UPDATE moved',
  },
  {
    name: 'a statement may take as long as it likes',
    changes: [
      {
        file: spanRow,
        from: "`SET LOCAL statement_timeout = '${budget.totalMs}ms'`",
        to: "`SET LOCAL statement_timeout = '${0 * budget.totalMs}ms'`",
      },
    ],
    test: limits,
    tests: 'give a statement up that takes longer than D',
  },
  {
    name: 'every statement has all of D again',
    changes: [
      {
        file: 'src/storage/postgres/lock-budget.ts',
        from: "statement_timeout = '${leftMs}ms'`",
        to: "statement_timeout = '${Math.max(leftMs, this.totalMs)}ms'`",
      },
    ],
    test: limits,
    tests: 'give a later statement only what an earlier one has left',
  },
  {
    name: 'a lock is waited for without a limit of its own',
    changes: [
      {
        file: spanRow,
        from: "`SET LOCAL lock_timeout = '${budget.lockWaitMs}ms'`",
        to: "`SET LOCAL lock_timeout = '${0 * budget.lockWaitMs}ms'`",
      },
    ],
    test: limits,
    tests: 'wait for a lock of the application for a tenth of a second',
  },
  {
    name: 'a run goes on under another policy',
    changes: [
      {
        file: planRun,
        from: "if (run.policyHash === policyHash(deps.policy)) return 'ours';",
        to: "if (run.policyHash === policyHash(deps.policy) || run.id !== '') return 'ours';",
      },
    ],
    test: resume,
    tests: 'ends as failed when the policy was changed',
  },
  {
    name: 'a run goes on on another server',
    changes: [
      { file: planRun, from: 'if (run.server !== deps.engine.server) {', to: "if (run.server === '') {" },
    ],
    test: resume,
    tests: 'ends on another server than it began on',
  },
  {
    name: 'a take-over does not compare the end of the span',
    changes: [
      {
        file: 'src/storage/ledger/span-take.ts',
        from: ".where('high_key', '=', seen.high_key)",
        to: ".where('high_key', '<>', '')",
      },
    ],
    test: 'test/race/take-over.test.ts',
    tests: 'is lost when the owner puts the rest back',
  },
  ...joinMutants,
  ...mappingMutants,
  ...waitersMutants,
];
