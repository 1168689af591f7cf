import type { Broken } from './broken.js';
import { newSpan, type Row, runOf } from './rows.js';
import { raiseSpans } from './run-transactions.js';
import { idle, inHand, isHeldBy, isSpan } from './span-transactions.js';
import type { Actor, Statement, Transaction, Vars } from './state.js';

/** Places that one batch walks. */
const units = 1;

/**
 * T6, as src/storage/postgres/batch.ts and span-row.ts have it. With `skip` (after a batch that met a lock) it leaves
 * locked rows out and parks their range; because that makes a span, it writes the run row first.
 */
export function batch(broken: Broken): Transaction {
  const isMine = (row: Row, vars: Vars) => {
    if (broken === 'T6 without any guard of the span') return isSpan(row, { run: vars.run, no: vars.no });
    if (broken === 'T6 without the fence')
      return isSpan(row, { run: vars.run, no: vars.no }) && row.state === 'leased';
    return isHeldBy(row, vars);
  };
  const isApart = broken === 'a tally in its own transaction';
  const reserve: Statement =
    broken === 'T6 that parks without the run row'
      ? { kind: 'read', read: (_view, vars) => ({ ...vars, newNo: 90 + (vars.no ?? 0) }) }
      : raiseSpans(() => 1);
  return {
    statements: [
      { ...reserve, when: ({ skip }) => skip === true },
      {
        kind: 'update',
        where: isMine,
        also: (view, { run }) => runOf(view, run)?.state === 'running',
        judge: ([span], vars, view) => {
          if (span?.t !== 'span') return { lost: 'lost' };
          if (runOf(view, vars.run)?.paused === true) return { lost: 'paused' };
          const { low, cursor, high } = span;
          return { ...vars, low, cursor, high, to: Math.min(cursor + units, high) };
        },
      },
      {
        kind: 'update',
        where: (row, { cursor = 0, to = 0 }) => row.t === 'message' && row.place > cursor && row.place <= to,
        set: () => null,
        skipLocked: ({ skip }) => skip === true,
        judge: (rows, vars, _view, skipped) => ({
          ...vars,
          deleted: rows.length,
          skipped,
          stays: skipped > 0 && vars.kind === 'parked' && vars.to === vars.high && vars.cursor === vars.low,
        }),
      },
      {
        kind: 'insert',
        quiet: true,
        when: ({ skipped = 0, stays }) => skipped > 0 && stays !== true,
        rows: (_view, { run = '', newNo = 0, round = 0, cursor = 0, to = 0 }) => [
          newSpan({ run, no: newNo, round, kind: 'parked', low: cursor, high: to }),
        ],
      },
      {
        kind: 'update',
        quiet: true,
        where: isMine,
        set: (row, { stays, to = 0, deleted = 0, fence }) =>
          row.t === 'span'
            ? {
                ...row,
                cursor: stays === true ? row.cursor : to,
                state: stays === true ? 'open' : to === row.high ? 'done' : 'leased',
                deleted: row.deleted + deleted,
                zombie: row.zombie || row.fence !== fence,
              }
            : row,
        judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'lost' }),
      },
      ...(isApart ? [] : [{ ...count, quiet: true }]),
    ],
    committed: (actor, vars) => {
      const after = afterBatch(actor, vars);
      return isApart
        ? { ...after, at: 'counting', vars: { ...after.vars, ...counted(vars), next: after.at === 'idle' } }
        : after;
    },
    lost: (actor, why) => (why === 'paused' ? inHand(actor, 'releasing', actor.vars) : idle(actor)),
    // The next batch reads the cursor under the lock of the span's row.
    unsure: (actor) => inHand(actor, 'holding', actor.vars),
    conflict: (actor) => ({ ...actor, vars: { ...actor.vars, skip: true } }),
  };
}

const count: Statement = {
  kind: 'update',
  where: (row, { run, no, node }) =>
    row.t === 'tally' && row.run === run && row.span === no && row.node === node,
  set: (row, { deleted = 0 }) => (row.t === 'tally' ? { ...row, deleted: row.deleted + deleted } : row),
  judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'lost' }),
};

/** Only where a rule is broken: the tally as a transaction behind the batch. */
export const countApart: Transaction = {
  statements: [count],
  committed: (actor) => (actor.vars.next === true ? idle(actor) : inHand(actor, 'holding', actor.vars)),
  lost: idle,
  unsure: idle,
};

/** An application at work on a message: it holds the row, and moves it to the other place, or leaves it. */
export function touch(moves: boolean): Transaction {
  return {
    statements: [
      {
        kind: 'update',
        where: (row, { no }) => row.t === 'message' && row.id === no,
        set: (row) => (row.t === 'message' && moves ? { ...row, place: row.place === 1 ? 2 : 1 } : row),
      },
    ],
    committed: (actor) => ({ ...actor, at: 'gone' }),
    lost: (actor) => ({ ...actor, at: 'gone' }),
    unsure: (actor) => ({ ...actor, at: 'gone' }),
  };
}

function afterBatch(actor: Actor, { stays, to, high, ...vars }: Vars): Actor {
  return stays === true || to === high ? idle(actor) : inHand(actor, 'holding', vars);
}

function counted({ run, no, deleted }: Vars): Vars {
  return { run, no, deleted } as Vars;
}
