import type { Key, Row, View } from './rows.js';
import { type Actor, type Move, type OpenTransaction, spent, type State, type Transaction } from './state.js';
import { withActor } from './state.js';

/** What a database makes of transactions that run side by side. */
export type Semantics = {
  readonly name: string;
  /** BEGIN and the first statement. */
  readonly begin: (state: State, index: number, name: string) => Move;
  /** What may happen next to an actor with a transaction open. */
  readonly moves: (state: State, index: number) => readonly Move[];
};

export type Transactions = Readonly<Record<string, Transaction>>;

export function transactionOf(transactions: Transactions, name: string): Transaction {
  const transaction = transactions[name];
  if (transaction === undefined) throw new Error(`The model has no transaction "${name}"`);
  return transaction;
}

export function actorAt(state: State, index: number): Actor {
  const actor = state.actors[index];
  if (actor === undefined) throw new Error(`The state has no actor ${index}`);
  return actor;
}

export function begun(actor: Actor, name: string): OpenTransaction {
  const vars = { ...actor.vars, node: actor.node, boot: actor.boot };
  return { name, at: 0, vars, own: {}, locked: [], picked: null, judged: [] };
}

/** What a transaction sees: what is committed, and its own rows. */
export function viewOf(db: View, own: OpenTransaction['own']): View {
  const written = Object.entries(own);
  return written.length === 0 ? db : overlaid(db, written);
}

function overlaid(db: View, written: readonly (readonly [Key, Row | null])[]): View {
  const view = new Map(db);
  for (const [key, row] of written) {
    if (row === null) view.delete(key);
    else view.set(key, row);
  }
  return view;
}

/** Rolled back; the actor goes on at another place, or where it was. */
export function rolledBack(state: State, index: number, actor: Actor): State {
  if (actor.role === 'ghost') return { ...state, actors: state.actors.filter((_, at) => at !== index) };
  return withActor(state, index, { ...actor, tx: null });
}

export function committed(state: State, index: number, transaction: Transaction, tx: OpenTransaction): State {
  const actor = actorAt(state, index);
  const db = viewOf(state.db, tx.own);
  const after = { ...state, db };
  return rolledBack(after, index, actor.role === 'ghost' ? actor : transaction.committed(actor, tx.vars));
}

/**
 * What the world does to a transaction at any step. A COMMIT that was sent and not answered becomes a ghost: it holds
 * its rows until it happens or does not, at any later moment, while its owner goes on without knowing, or is dead.
 */
export function mishaps(state: State, index: number, transaction: Transaction): Move[] {
  const actor = actorAt(state, index);
  const { tx } = actor;
  if (tx === null || actor.role === 'ghost') return [];
  const isAtCommit = tx.at === transaction.statements.length;
  const found: Move[] = [];
  const withGhost = (after: State): State => ({
    ...after,
    actors: [
      ...after.actors,
      { ...actor, name: `${actor.name}'s COMMIT`, role: 'ghost', at: '', vars: {}, boot: 0 },
    ],
  });
  if (isAtCommit && state.budget.lostCommits > 0) {
    const after = withActor(state, index, { ...transaction.unsure(actor), tx: null });
    found.push({
      label: `${actor.name}: ${tx.name}, COMMIT is sent and its answer lost`,
      state: withGhost(spent(after, 'lostCommits')),
    });
  }
  if (actor.role === 'worker' && state.budget.crashes > 0) {
    const after = spent(withActor(state, index, { ...dead(actor), tx: null }), 'crashes');
    found.push({ label: `${actor.name}: dies in ${tx.name}, at step ${tx.at}`, state: after });
    if (isAtCommit)
      found.push({
        label: `${actor.name}: dies after COMMIT of ${tx.name} was sent`,
        state: withGhost(after),
      });
  }
  return found;
}

export function dead(actor: Actor): Actor {
  return { ...actor, at: 'dead', vars: {} };
}
