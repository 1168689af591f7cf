import type { Key } from './rows.js';
import {
  actorAt,
  begun,
  committed,
  mishaps,
  rolledBack,
  type Semantics,
  transactionOf,
  type Transactions,
  viewOf,
} from './semantics.js';
import {
  isLost,
  type Lost,
  type Move,
  type OpenTransaction,
  type State,
  type Transaction,
  withActor,
} from './state.js';

/**
 * Servers that certify (Galera): a transaction reads one earlier state, nobody waits for anybody, and a COMMIT is
 * refused when a row that it wrote, or a key that it inserted, was written since. A refusal is certain from the
 * moment of the other COMMIT, so that is when it happens here.
 */
export function certification(transactions: Transactions): Semantics {
  return {
    name: 'certification',
    begin(state, index, name) {
      const actor = actorAt(state, index);
      const transaction = transactionOf(transactions, name);
      const tx = run(state, index, begun(actor, name), transaction);
      if (isLost(tx)) {
        return {
          label: `${actor.name}: ${name} finds "${tx.lost}"`,
          state: rolledBack(state, index, transaction.lost(actor, tx.lost)),
        };
      }
      return {
        label: `${actor.name}: ${name} up to COMMIT`,
        state: withActor(state, index, { ...actor, tx }),
      };
    },
    moves(state, index) {
      const actor = actorAt(state, index);
      const { tx } = actor;
      if (tx === null) return [];
      const transaction = transactionOf(transactions, tx.name);
      const found: Move[] = mishaps(state, index, transaction);
      const after = committed(state, index, transaction, tx);
      found.push({
        label: `${actor.name}: ${tx.name} commits`,
        state: refused(after, Object.keys(tx.own), transactions),
      });
      if (actor.role === 'ghost')
        found.push({
          label: `${actor.name}: ${tx.name} is rolled back`,
          state: rolledBack(state, index, actor),
        });
      return found;
    },
  };
}

/** The open transactions that have written one of the keys are refused. */
function refused(after: State, keys: readonly Key[], transactions: Transactions): State {
  const actors = after.actors.flatMap((actor) => {
    if (actor.tx === null) return [actor];
    const { tx } = actor;
    if (!keys.some((key) => key in tx.own)) return [actor];
    if (actor.role === 'ghost') return [];
    const conflict = transactionOf(transactions, tx.name).conflict;
    return [{ ...(conflict?.(actor) ?? actor), tx: null }];
  });
  return { ...after, actors };
}

function run(
  state: State,
  index: number,
  open: OpenTransaction,
  { statements }: Transaction,
): OpenTransaction | Lost {
  let { vars } = open;
  const own = { ...open.own };
  for (const statement of statements) {
    if (statement.when?.(vars) === false) continue;
    const view = viewOf(state.db, own);
    let answer: typeof vars | Lost = vars;
    if (statement.kind === 'read') answer = statement.read(view, vars);
    else if (statement.kind === 'insert') {
      for (const [key, row] of statement.rows(view, vars)) {
        if (!view.has(key)) own[key] = row;
        else if (statement.unlessThere !== true) return { lost: `${key} is there already` };
      }
    } else {
      const { where, also, set, skipLocked, judge } = statement;
      const isSkipping = skipLocked?.(vars) === true;
      const mayBe = also === undefined || also(view, vars);
      const rows = [];
      let skipped = 0;
      for (const [key, row] of mayBe ? view : []) {
        if (!where(row, vars)) continue;
        // A lock is seen on its own server only; skipping is asked for only where it was seen.
        if (isSkipping && isTouched(state, index, key)) skipped += 1;
        else {
          rows.push(row);
          if (set !== undefined) own[key] = set(row, vars);
        }
      }
      answer = judge?.(rows, vars, view, skipped) ?? vars;
    }
    if (isLost(answer)) return answer;
    vars = answer;
  }
  return { ...open, at: statements.length, vars, own };
}

function isTouched(state: State, index: number, key: Key): boolean {
  return state.actors.some(({ tx }, other) => other !== index && tx !== null && key in tx.own);
}
