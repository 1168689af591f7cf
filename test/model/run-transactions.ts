import type { Broken } from './broken.js';
import { activeRun, isOpen, keyOf, newSpan, type Row, rowsOf, type RunRow, spansOf } from './rows.js';
import type { Actor, Statement, Transaction, Vars } from './state.js';

/** What the places of a run are, and whether a look follows the walk. */
export type Walk = { readonly high: number; readonly look: boolean };

const idle = (actor: Actor): Actor => ({ ...actor, at: 'idle', vars: {} });
const gone = (actor: Actor): Actor => ({ ...actor, at: 'gone', vars: {} });

/** The run row, written first: whoever makes a span and whoever ends a run meet there. */
export function raiseSpans(by: (vars: Vars) => number): Statement {
  return {
    kind: 'update',
    where: (row, vars) => row.t === 'run' && row.id === vars.run && row.state === 'running',
    set: (row, vars) => (row.t === 'run' ? { ...row, spans: row.spans + by(vars) } : row),
    judge: (rows, vars) => {
      const run = rows[0];
      return run?.t === 'run' ? { ...vars, newNo: run.spans + by(vars) } : { lost: 'the run has ended' };
    },
  };
}

/** T3, as src/storage/ledger/run-start.ts has it. */
export function start(broken: Broken): Transaction {
  const hasRequests = broken !== 'T3 without the request row';
  const isThis = (row: Row, vars: Vars): row is RunRow =>
    row.t === 'run' && row.id === vars.run && row.state !== 'ended';
  const found = (isActive: boolean, vars: Vars) =>
    isActive || vars.known === true
      ? { ...vars, ended: !isActive }
      : { lost: 'the run ended while it was joined' };
  const raise: Statement =
    broken === 'T3 that only reads the run row'
      ? {
          kind: 'read',
          read: (view, vars) =>
            found(
              [...view.values()].some((row) => isThis(row, vars)),
              vars,
            ),
        }
      : {
          kind: 'update',
          where: isThis,
          ...(broken === 'T3 that only locks the run row' ? {} : { set: (row: Row) => row }),
          judge: (rows, vars) => found(rows.length === 1, vars),
        };
  return {
    statements: [
      {
        kind: 'read',
        read: (view, vars) => {
          const row = hasRequests ? view.get(keyOf.request(vars.request ?? '')) : undefined;
          return row?.t === 'request' ? { ...vars, known: true, run: row.run } : { ...vars, known: false };
        },
      },
      {
        kind: 'read',
        when: (vars) => vars.known === false,
        read: (view, vars) => {
          const run = activeRun(view);
          return { ...vars, makes: run === undefined, run: run?.id ?? vars.request ?? '' };
        },
      },
      {
        kind: 'insert',
        when: (vars) => vars.makes === true,
        rows: (_view, { run = '' }) => [
          [
            keyOf.run(run),
            {
              t: 'run',
              id: run,
              state: 'requested',
              outcome: null,
              round: 0,
              spans: 0,
              paused: false,
              deleted: 0,
            },
          ],
          [keyOf.active, { t: 'active', run }],
        ],
      },
      raise,
      {
        kind: 'insert',
        when: (vars) => vars.known === false && hasRequests,
        rows: (_view, { request = '', run = '' }) => [[keyOf.request(request), { t: 'request', run }]],
      },
      {
        kind: 'insert',
        unlessThere: true,
        rows: (_view, { run = '', node = '' }) => [
          [keyOf.tally(run, 0, node), { t: 'tally', run, span: 0, node, deleted: 0 }],
        ],
      },
      {
        kind: 'insert',
        when: (vars) => vars.ended === true && broken !== 'T3 without the late path',
        unlessThere: true,
        rows: (_view, { run = '', node = '' }) => [callback(run, node, 0)],
      },
    ],
    committed: (actor, { request, run }) => ({
      ...actor,
      at: 'answered processing',
      vars: { ...(request === undefined ? {} : { request }), ...(run === undefined ? {} : { run }) },
    }),
    // Somebody decided meanwhile: from the beginning.
    lost: (actor) => actor,
    unsure: (actor) => ({ ...actor, at: 'answered an error', vars: {} }),
  };
}

/** T4, as src/storage/ledger/run-plan.ts has it. */
export function plan({ high, look }: Walk): Transaction {
  return {
    statements: [
      {
        kind: 'update',
        where: (row, vars) => row.t === 'run' && row.id === vars.run && row.state === 'requested',
        set: (row) => (row.t === 'run' ? { ...row, state: 'running', spans: look ? 2 : 1 } : row),
        judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'planned or ended by another' }),
      },
      {
        kind: 'insert',
        quiet: true,
        rows: (_view, { run = '' }) => firstSpans(run, 1, 0, { high, look }),
      },
    ],
    committed: idle,
    lost: idle,
    unsure: idle,
  };
}

/** The walk begins again (the table was rewritten): run row first, all open work closed, a round of its own. */
export function replan({ high, look }: Walk): Transaction {
  const made = look ? 2 : 1;
  return {
    statements: [
      {
        kind: 'update',
        where: (row, vars) => row.t === 'run' && row.id === vars.run && row.state === 'running',
        set: (row) => (row.t === 'run' ? { ...row, spans: row.spans + made, round: row.round + 1 } : row),
        judge: ([run], vars) =>
          run?.t === 'run'
            ? { ...vars, newNo: run.spans + 1, round: run.round + 1 }
            : { lost: 'the run has ended' },
      },
      closeSpans,
      {
        kind: 'insert',
        quiet: true,
        rows: (_view, { run = '', newNo = 0, round = 0 }) => firstSpans(run, newNo, round, { high, look }),
      },
    ],
    committed: gone,
    lost: gone,
    unsure: gone,
  };
}

/** Ends all open work by fence. */
const closeSpans: Statement = {
  kind: 'update',
  where: (row, vars) => row.t === 'span' && row.run === vars.run && isOpen(row),
  set: (row) => (row.t === 'span' ? { ...row, state: 'closed', fence: row.fence + 1 } : row),
};

function firstSpans(run: string, no: number, round: number, { high, look }: Walk) {
  return (look ? (['walk', 'look'] as const) : (['walk'] as const)).map((kind, at) =>
    newSpan({ run, no: no + at, round, kind, low: 0, high }),
  );
}

/** T10, as src/storage/ledger/run-end.ts has it. */
export function end(outcome: 'complete' | 'failed', broken: Broken): Transaction {
  const close: Statement =
    outcome === 'complete'
      ? {
          kind: 'read',
          read: (view, vars) =>
            spansOf(view, vars.run ?? '').some(isOpen) ? { lost: 'a span is still open' } : vars,
        }
      : closeSpans;
  return {
    statements: [
      {
        kind: 'update',
        where: (row, vars) =>
          (row.t === 'run' && row.id === vars.run && row.state !== 'ended') ||
          // The same row in truth: its unique column.
          (row.t === 'active' && row.run === vars.run),
        set: (row) => (row.t === 'run' ? { ...row, state: 'ended', outcome } : null),
        judge: (rows, vars) =>
          rows.some(({ t }) => t === 'run') ? vars : { lost: 'the run was ended by another' },
      },
      ...(outcome === 'failed' && broken === 'T10 that closes no spans' ? [] : [close]),
      {
        // A statement of its own, after the spans; what is written then is wanted by nobody else.
        kind: 'read',
        read: (view, vars) => {
          const told: Record<string, number> = {};
          for (const { run, node, deleted } of rowsOf(view, 'tally'))
            if (run === vars.run) told[node] = (told[node] ?? 0) + deleted;
          return { ...vars, told };
        },
      },
      {
        kind: 'insert',
        quiet: true,
        rows: (_view, { run = '', told = {} }) =>
          Object.entries(told).map(([node, count]) => callback(run, node, count)),
      },
      {
        kind: 'update',
        quiet: true,
        where: (row, vars) => row.t === 'run' && row.id === vars.run,
        set: (row, { told = {} }) =>
          row.t === 'run' ? { ...row, deleted: Object.values(told).reduce((sum, n) => sum + n, 0) } : row,
      },
    ],
    committed: outcome === 'complete' ? idle : gone,
    lost: outcome === 'complete' ? idle : gone,
    unsure: outcome === 'complete' ? idle : gone,
  };
}

/** T11: pause and resume. */
export function steer(paused: boolean): Transaction {
  const next = (actor: Actor): Actor => ({ ...actor, at: paused ? 'paused' : 'gone' });
  return {
    statements: [
      {
        kind: 'update',
        where: (row, vars) => row.t === 'run' && row.id === vars.run && row.state !== 'ended',
        set: (row) => (row.t === 'run' ? { ...row, paused } : row),
      },
    ],
    committed: next,
    lost: gone,
    unsure: next,
  };
}

function callback(run: string, node: string, count: number): readonly [string, Row] {
  return [
    keyOf.outbox(run, node),
    { t: 'outbox', run, node, count, state: 'waiting', attempts: 0, claimed: false },
  ];
}
