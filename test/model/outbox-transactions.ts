import { keyOf, type Row } from './rows.js';
import type { Actor, Statement, Transaction, Vars } from './state.js';

/** T12, as src/storage/ledger/outbox.ts has it. */
const isThis = (row: Row, { run, dest }: Vars): boolean =>
  row.t === 'outbox' && row.run === run && row.node === dest && row.state === 'waiting';

const goes =
  (at: string) =>
  (actor: Actor): Actor =>
    at === 'idle' ? { ...actor, at, vars: {} } : { ...actor, at };

function one(
  where: (row: Row, vars: Vars) => boolean,
  change: Partial<Extract<Row, { t: 'outbox' }>>,
  raise = 0,
): Statement {
  return {
    kind: 'update',
    where,
    set: (row) => (row.t === 'outbox' ? { ...row, ...change, attempts: row.attempts + raise } : row),
  };
}

const claimed: Statement = {
  ...one(
    (row, vars) => isThis(row, vars) && row.t === 'outbox' && row.attempts === vars.attempts,
    { claimed: true },
    1,
  ),
  judge: (rows, vars) => (rows.length === 1 ? vars : { lost: 'claimed by another' }),
} as Statement;

export const claim: Transaction = {
  statements: [claimed],
  committed: (actor, { attempts = 0 }) => ({
    ...actor,
    at: 'sending',
    vars: { ...actor.vars, attempts: attempts + 1 },
  }),
  lost: goes('idle'),
  unsure: goes('idle'),
};

/** A 200 is a fact, whoever holds the claim. */
export const recordDelivered: Transaction = {
  statements: [one(isThis, { state: 'delivered', claimed: false })],
  committed: goes('idle'),
  lost: goes('idle'),
  unsure: goes('idle'),
};

export const recordRefused: Transaction = {
  statements: [
    one((row, vars) => isThis(row, vars) && row.t === 'outbox' && row.attempts === vars.attempts, {
      claimed: false,
    }),
  ],
  committed: goes('idle'),
  lost: goes('idle'),
  unsure: goes('idle'),
};

export function outboxKey({ run = '', dest = '' }: Vars): string {
  return keyOf.outbox(run, dest);
}
