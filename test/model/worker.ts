import type { Broken } from './broken.js';
import { activeRun, isOpen, rowsOf, runOf, type SpanRow, spanOf, spansOf, type View } from './rows.js';
import { actorAt, type Semantics } from './semantics.js';
import { type Actor, type Move, spent, type State, type Vars, withActor } from './state.js';

/**
 * One worker of a node, between its transactions: src/coreapp/worker.ts and sweep-span.ts. Plain reads are steps of
 * their own, so everything that they show may be old when the transaction begins.
 */
export function workerMoves(state: State, index: number, semantics: Semantics, broken: Broken): Move[] {
  const actor = actorAt(state, index);
  const { name, vars } = actor;
  const goes = (words: string, at: string, next: Vars, from = state): Move => ({
    label: `${name}: ${words}`,
    state: withActor(from, index, { ...actor, at, vars: next }),
  });
  const begins = (transaction: string): Move => semantics.begin(state, index, transaction);
  switch (actor.at) {
    case 'registering':
      return [begins('register')];
    case 'idle':
      return whatToDo(state, actor, goes, broken);
    case 'planning':
      return [begins('plan')];
    case 'completing':
      return [begins('complete')];
    case 'taking':
      return [begins('take')];
    case 'doubting':
      return [begins('settle')];
    case 'holding': {
      if (vars.kind === 'look') return [readLook(state, vars, goes), ...forgets(state, goes)];
      const span = spanOf(state.db, vars.run, vars.no);
      const found = [begins('batch'), ...forgets(state, goes)];
      if (vars.skip !== true && isHeldByAnother(state, span))
        found.push(goes('meets a lock, and will skip', 'holding', { ...vars, skip: true }));
      if (
        state.budget.putBacks > 0 &&
        vars.kind === 'walk' &&
        span !== undefined &&
        span.high - span.cursor > 1
      ) {
        const { cursor, high } = span;
        const cut = { ...vars, cursor, high, pivot: cursor + 1 };
        found.push(goes('will put the rest back', 'giving', cut, spent(state, 'putBacks')));
      }
      return found;
    }
    case 'giving':
      return [begins('putBack')];
    case 'releasing':
      return [begins('release')];
    case 'counting':
      return [begins('countApart')];
    case 'looking':
      return [readSlice(state.db, vars, goes)];
    case 'slicing':
      return [begins('slice')];
    case 'finishing the look':
      return [begins('finishLook')];
    default:
      return [];
  }
}

type Goes = (words: string, at: string, next: Vars, from?: State) => Move;

function whatToDo(state: State, actor: Actor, goes: Goes, broken: Broken): Move[] {
  const run = activeRun(state.db);
  if (run === undefined || run.paused) return [];
  if (run.state === 'requested') {
    const isEmpty = rowsOf(state.db, 'message').length === 0;
    return [goes('sees a run to plan', isEmpty ? 'completing' : 'planning', { run: run.id })];
  }
  const open = spansOf(state.db, run.id).filter(isOpen);
  if (open.length === 0) return [goes('sees nothing left', 'completing', { run: run.id })];
  const isWalkOpen = open.some(({ kind }) => kind !== 'look');
  return open.flatMap((span) => {
    if (span.kind === 'look' && isWalkOpen && broken !== 'a look given out too early') return [];
    const isEarly = span.state === 'leased' && isHeld(state, span);
    if (isEarly && (state.budget.takeOvers === 0 || span.owner === actor.node)) return [];
    const seen = { run: run.id, no: span.no, fence: span.fence, kind: span.kind, round: span.round };
    const bounds = { cursor: span.cursor, high: span.high };
    const isInVain = span.kind === 'parked' && isHeldByAnother(state, span);
    if (isInVain && state.budget.retries === 0) return [];
    const due = isInVain ? spent(state, 'retries') : state;
    const after = isEarly ? spent(due, 'takeOvers') : due;
    const words = span.state === 'leased' ? 'sees the lease of' : 'sees';
    const found = [goes(`${words} span ${span.no}`, 'taking', { ...seen, ...bounds }, after)];
    if (span.kind === 'walk' && span.high - span.cursor > 1 && state.budget.cuts > 0) {
      const cut = { ...seen, ...bounds, pivot: span.cursor + 1 };
      found.push(goes(`${words} span ${span.no}, and will cut it`, 'taking', cut, spent(after, 'cuts')));
    }
    return found;
  });
}

/** Whether its owner still believes in it. A lease that nobody works under runs out without a limit to how often. */
function isHeld({ actors }: State, { run, no, fence }: SpanRow): boolean {
  return actors.some(
    ({ at, vars }) => at !== 'taking' && vars.run === run && vars.no === no && vars.fence === fence,
  );
}

function forgets(state: State, goes: Goes): Move[] {
  return state.budget.forgets > 0 ? [goes('forgets its span', 'idle', {}, spent(state, 'forgets'))] : [];
}

/**
 * Another transaction, perhaps one whose owner is gone, has a message of the span locked: the batch is rolled back,
 * and skips it then.
 */
function isHeldByAnother({ db, actors }: State, span: SpanRow | undefined): boolean {
  if (span === undefined) return false;
  return actors.some(
    ({ role, tx }) =>
      (role === 'application' || role === 'ghost') &&
      tx !== null &&
      Object.keys(tx.own).some((key) => {
        const row = db.get(key);
        return row?.t === 'message' && row.place > span.cursor && row.place <= span.high;
      }),
  );
}

/** The look's own row, and the question over the whole table unless a slice was recorded. */
function readLook({ db }: State, vars: Vars, goes: Goes): Move {
  const span = spanOf(db, vars.run, vars.no);
  if (span === undefined || span.fence !== vars.fence || span.state !== 'leased')
    return goes('has lost its look', 'idle', {});
  if (!span.sliced && rowsOf(db, 'message').length === 0)
    return goes('sees that nothing is left', 'finishing the look', vars);
  return goes('reads its look', 'looking', { ...vars, cursor: span.cursor, high: span.high });
}

function readSlice(db: View, vars: Vars, goes: Goes): Move {
  const { cursor = 0, high = 0 } = vars;
  const to = cursor + 1;
  const left = rowsOf(db, 'message').some(({ place }) => place === to);
  return goes('reads a slice', 'slicing', { ...vars, to, left, isLast: to >= high });
}

/** Whether the actor has answered for a run that has ended without its callback. */
export function isForgotten({ db }: State, { at, node, vars }: Actor): boolean {
  if (at !== 'answered processing' || runOf(db, vars.run)?.state !== 'ended') return false;
  return !rowsOf(db, 'outbox').some((row) => row.run === vars.run && row.node === node);
}
