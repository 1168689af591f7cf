import { keyOf, newSpan, spansOf } from './rows.js';
import { raiseSpans } from './run-transactions.js';
import { idle, inHand, isHeldBy } from './span-transactions.js';
import type { Transaction } from './state.js';

/** A slice of the look (T9), as src/storage/ledger/look.ts has it; what is left in it was read before, plainly. */
export const slice: Transaction = {
  statements: [
    { ...raiseSpans(() => 1), when: ({ left }) => left === true },
    {
      kind: 'update',
      where: (row, vars) => isHeldBy(row, vars) && row.cursor === vars.cursor,
      set: (row, { to = 0 }) => (row.t === 'span' ? { ...row, cursor: to, sliced: true } : row),
      judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'lost' }),
    },
    {
      kind: 'insert',
      quiet: true,
      when: ({ left }) => left === true,
      rows: (_view, { run = '', newNo = 0, round = 0, cursor = 0, to = 0 }) => [
        newSpan({ run, no: newNo, round: round + 1, kind: 'walk', low: cursor, high: to }),
      ],
    },
  ],
  committed: (actor, vars) => inHand(actor, vars.isLast === true ? 'finishing the look' : 'holding', vars),
  lost: idle,
  unsure: idle,
};

/** The end of a look: clean, or the next round with a look of its own. */
export const finishLook: Transaction = {
  statements: [
    {
      kind: 'read',
      read: (view, vars) => ({
        ...vars,
        next: spansOf(view, vars.run ?? '').some(
          ({ round, kind }) => round === (vars.round ?? 0) + 1 && kind === 'walk',
        ),
      }),
    },
    { ...raiseSpans(() => 1), when: ({ next }) => next === true },
    {
      kind: 'update',
      where: isHeldBy,
      set: (row) => (row.t === 'span' ? { ...row, state: 'done' } : row),
      judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'lost' }),
    },
    {
      kind: 'update',
      quiet: true,
      when: ({ next }) => next === true,
      where: (row, { run, round }) =>
        row.t === 'run' && row.id === run && row.state === 'running' && row.round === round,
      set: (row) => (row.t === 'run' ? { ...row, round: row.round + 1 } : row),
      judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'the round was ended by another' }),
    },
    {
      kind: 'insert',
      quiet: true,
      when: ({ next }) => next === true,
      rows: (view, { run = '', no = 0, newNo = 0, round = 0 }) => {
        const look = view.get(keyOf.span(run, no));
        const high = look?.t === 'span' ? look.high : 0;
        return [newSpan({ run, no: newNo, round: round + 1, kind: 'look', low: 0, high })];
      },
    },
  ],
  committed: (actor, { run = '', next }) =>
    next === true ? idle(actor) : { ...actor, at: 'completing', vars: { run } },
  lost: idle,
  unsure: idle,
};
