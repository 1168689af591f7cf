import type { Broken } from './broken.js';
import { isOpen, keyOf, newSpan, type Row, type SpanRow } from './rows.js';
import { raiseSpans } from './run-transactions.js';
import type { Actor, Statement, Transaction, Vars } from './state.js';

export const idle = (actor: Actor): Actor => ({ ...actor, at: 'idle', vars: {} });

/** The guard that every write by an owner has: his fence, and still leased. */
export function isHeldBy(row: Row, { run, no, fence }: Vars): row is SpanRow {
  return isSpan(row, { run, no }) && row.fence === fence && row.state === 'leased';
}

export function isSpan(
  row: Row,
  { run, no }: { run: string | undefined; no: number | undefined },
): row is SpanRow {
  return row.t === 'span' && row.run === run && row.no === no;
}

/** What a worker keeps of a span in hand. */
export function inHand(actor: Actor, at: string, { run, no, fence, kind, round }: Vars): Actor {
  const vars = { run, no, fence, kind, round } as Vars;
  return { ...actor, at, vars };
}

/** T5, as src/storage/ledger/span-take.ts has it: the guarded write decides, on what a plain read showed before. */
export function take(broken: Broken): Transaction {
  return {
    statements: [
      { ...raiseSpans(() => 1), when: ({ pivot }) => pivot !== undefined },
      {
        kind: 'update',
        where: (row, vars) =>
          isSpan(row, { run: vars.run, no: vars.no }) &&
          row.fence === vars.fence &&
          row.cursor === vars.cursor &&
          (broken === 'T5 that does not compare the end of the span' || row.high === vars.high) &&
          isOpen(row),
        set: (row, { pivot, node = '', boot = 0 }) =>
          row.t === 'span'
            ? {
                ...row,
                state: 'leased',
                owner: node,
                boot,
                fence: row.fence + 1,
                high: pivot ?? row.high,
              }
            : row,
        judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'taken by another' }),
      },
      {
        kind: 'insert',
        quiet: true,
        when: ({ pivot }) => pivot !== undefined,
        rows: (_view, vars) => [rest(vars)],
      },
      {
        kind: 'insert',
        quiet: true,
        unlessThere: true,
        rows: (_view, { run = '', no = 0, node = '' }) => [
          [keyOf.tally(run, no, node), { t: 'tally', run, span: no, node, deleted: 0 }],
        ],
      },
    ],
    committed: (actor, vars) => inHand(actor, 'holding', { ...vars, fence: (vars.fence ?? 0) + 1 }),
    lost: idle,
    unsure: (actor) => inHand(actor, 'doubting', { ...actor.vars, fence: (actor.vars.fence ?? 0) + 1 }),
  };
}

/** The answer to the COMMIT of a take was lost: as src/storage/ledger/takes.ts has it. */
export const settle: Transaction = {
  statements: [
    {
      kind: 'update',
      where: (row, vars) => isHeldBy(row, vars) && row.owner === vars.node && row.boot === vars.boot,
      judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'the take did not happen' }),
    },
  ],
  committed: (actor, vars) => inHand(actor, 'holding', vars),
  lost: idle,
  unsure: (actor) => actor,
};

/** T7, as src/storage/ledger/span-give.ts has it. */
export function putBack(broken: Broken): Transaction {
  const reserve: Statement =
    broken === 'T7 without the run row'
      ? { kind: 'read', read: (_view, vars) => ({ ...vars, newNo: 90 + (vars.no ?? 0) }) }
      : raiseSpans(() => 1);
  return {
    statements: [
      reserve,
      {
        kind: 'update',
        where: (row, vars) => isHeldBy(row, vars) && row.cursor === vars.cursor && row.high === vars.high,
        set: (row, { pivot }) => (row.t === 'span' ? { ...row, high: pivot ?? row.high } : row),
        judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'the span moved meanwhile' }),
      },
      { kind: 'insert', quiet: true, rows: (_view, vars) => [rest(vars)] },
    ],
    committed: (actor) => inHand(actor, 'holding', actor.vars),
    lost: (actor) => inHand(actor, 'holding', actor.vars),
    unsure: idle,
  };
}

/** T8. */
export const release: Transaction = {
  statements: [
    {
      kind: 'update',
      where: isHeldBy,
      set: (row) => (row.t === 'span' ? { ...row, state: 'open', owner: null, boot: 0 } : row),
    },
  ],
  committed: idle,
  lost: idle,
  unsure: idle,
};

/** T1, as src/storage/ledger/nodes.ts has it: what an earlier life of this node held is given back. */
export const register: Transaction = {
  statements: [
    {
      kind: 'update',
      where: (row, { node }) => row.t === 'node' && row.name === node,
      set: (row, { boot = 0 }) => (row.t === 'node' ? { ...row, boot } : row),
    },
    {
      kind: 'read',
      read: (view, vars) => {
        const active = view.get(keyOf.active);
        return active?.t === 'active' ? { ...vars, run: active.run } : vars;
      },
    },
    {
      kind: 'update',
      where: (row, { run }) => row.t === 'run' && row.id === run && row.state !== 'ended',
      set: (row) => row,
    },
    {
      kind: 'update',
      where: (row, { run, node, boot }) =>
        row.t === 'span' &&
        row.run === run &&
        row.state === 'leased' &&
        row.owner === node &&
        row.boot !== boot,
      set: (row) =>
        row.t === 'span' ? { ...row, state: 'open', owner: null, boot: 0, fence: row.fence + 1 } : row,
    },
  ],
  committed: idle,
  lost: idle,
  unsure: idle,
};

function rest({ run = '', newNo = 0, round = 0, kind = 'walk', pivot = 0, high = 0 }: Vars) {
  return newSpan({ run, no: newNo, round, kind, low: pivot, high });
}
