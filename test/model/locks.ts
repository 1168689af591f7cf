import type { Key, Row } from './rows.js';
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
  type Statement,
  withActor,
} from './state.js';

/**
 * One server with row locks, READ COMMITTED, statement by statement. An UPDATE picks its rows in a snapshot at its
 * start; where one is locked it waits for the holder's end, then judges that row again, and no other row: what was
 * inserted meanwhile it does not see.
 */
export function locks(transactions: Transactions): Semantics {
  return {
    name: 'locks',
    begin: (state, index, name) => proceed(state, index, begun(actorAt(state, index), name), transactions),
    moves(state, index) {
      const actor = actorAt(state, index);
      const { tx } = actor;
      if (tx === null) return [];
      const transaction = transactionOf(transactions, tx.name);
      const found: Move[] = mishaps(state, index, transaction);
      const what = `${actor.name}: ${tx.name}`;
      if (tx.at === transaction.statements.length) {
        found.push({ label: `${what} commits`, state: committed(state, index, transaction, tx) });
        if (actor.role === 'ghost')
          found.push({ label: `${what} is rolled back`, state: rolledBack(state, index, actor) });
        return found;
      }
      const first = tx.picked?.[0];
      if (first === undefined || holderOf(state, index, first) === null)
        found.push(proceed(state, index, tx, transactions));
      else {
        // The wait for a lock is over at some time; whoever waits longer is in another move.
        const after = transaction.conflict?.(actor) ?? actor;
        found.push({ label: `${what} waits for a lock too long`, state: rolledBack(state, index, after) });
      }
      return found;
    },
  };
}

/** Two transactions that wait for each other, directly or in a circle: their names, or null. */
export function deadlockOf(state: State): string | null {
  for (const [start, { name }] of state.actors.entries()) {
    const seen = new Set<number>();
    for (let at: number | null = start; at !== null && !seen.has(at); ) {
      seen.add(at);
      const wanted: Key | undefined = state.actors[at]?.tx?.picked?.[0];
      at = wanted === undefined ? null : holderOf(state, at, wanted);
      if (at === start) return name;
    }
  }
  return null;
}

/** Who else has the row locked. */
function holderOf(state: State, index: number, key: Key): number | null {
  const at = state.actors.findIndex(
    ({ tx }, other) => other !== index && tx !== null && (key in tx.own || tx.locked.includes(key)),
  );
  return at === -1 ? null : at;
}

/** The next statement, and the quiet ones behind it. */
function proceed(state: State, index: number, open: OpenTransaction, transactions: Transactions): Move {
  const actor = actorAt(state, index);
  const transaction = transactionOf(transactions, open.name);
  let tx = open;
  let isFirst = true;
  for (let at = tx.at; at < transaction.statements.length; at = tx.at) {
    const statement = transaction.statements[at];
    if (statement === undefined) break;
    if (statement.when?.(tx.vars) === false) {
      tx = { ...tx, at: at + 1 };
      continue;
    }
    if (!isFirst && statement.quiet !== true) break;
    isFirst = false;
    const done = attempt(state, index, tx, statement);
    if (isLost(done)) {
      const after = transaction.lost(actor, done.lost);
      return {
        label: `${actor.name}: ${open.name} ${at + 1} finds "${done.lost}"`,
        state: rolledBack(state, index, after),
      };
    }
    tx = done;
    if (tx.picked !== null) break;
  }
  const words = tx.picked === null ? `statement ${tx.at}` : `waits for ${tx.picked[0]}`;
  return { label: `${actor.name}: ${open.name} ${words}`, state: withActor(state, index, { ...actor, tx }) };
}

function attempt(
  state: State,
  index: number,
  tx: OpenTransaction,
  statement: Statement,
): OpenTransaction | Lost {
  const view = viewOf(state.db, tx.own);
  const next = (change: Partial<OpenTransaction>): OpenTransaction => ({
    ...tx,
    at: tx.at + 1,
    picked: null,
    judged: [],
    ...change,
  });
  if (statement.kind === 'read') {
    const vars = statement.read(view, tx.vars);
    return isLost(vars) ? vars : next({ vars });
  }
  if (statement.kind === 'insert') {
    const own = { ...tx.own };
    for (const [key, row] of statement.rows(view, tx.vars)) {
      if (holderOf(state, index, key) !== null) return { ...tx, picked: [key] };
      if (!view.has(key)) own[key] = row;
      else if (statement.unlessThere !== true) return { lost: `${key} is there already` };
    }
    return next({ own });
  }
  const { where, also, set, skipLocked, judge } = statement;
  const mayBe = also === undefined || also(view, tx.vars);
  let picked =
    tx.picked ?? (mayBe ? [...view].filter(([, row]) => where(row, tx.vars)).map(([key]) => key) : []);
  let skipped = 0;
  if (skipLocked?.(tx.vars) === true) {
    const free = picked.filter((key) => holderOf(state, index, key) === null);
    skipped = picked.length - free.length;
    picked = free;
  }
  const own = { ...tx.own };
  const locked = [...tx.locked];
  const judged: Row[] = [...tx.judged];
  for (const [place, key] of picked.entries()) {
    if (holderOf(state, index, key) !== null)
      return { ...tx, own, locked, judged, picked: picked.slice(place) };
    const row = view.get(key);
    if (row === undefined || !where(row, tx.vars)) continue;
    judged.push(row);
    if (set === undefined) locked.push(key);
    else own[key] = set(row, tx.vars);
  }
  const vars = judge?.(judged, tx.vars, view, skipped) ?? tx.vars;
  return isLost(vars) ? vars : next({ own, locked, vars });
}
