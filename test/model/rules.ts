import type { Rules } from './explore.js';
import { deadlockOf } from './locks.js';
import { isOpen, keyOf, type RunRow, rowsOf, runOf, type SpanRow, type View } from './rows.js';
import type { State } from './state.js';
import { isForgotten } from './worker.js';

type DbRule = (db: View, runs: readonly RunRow[], spans: readonly SpanRow[], messages: number) => boolean;

/** True: broken. The sentences of test/harness/invariants.ts, and those that only the model can ask. */
export const dbRules: Readonly<Record<string, DbRule>> = {
  'the flag "active" is set exactly while a run is unfinished': (db, runs) => {
    const active = db.get(keyOf.active);
    const unfinished = runs.filter(({ state }) => state !== 'ended').map(({ id }) => id);
    return unfinished.join() !== (active?.t === 'active' ? active.run : '');
  },
  'at most one run is unfinished': (_db, runs) => runs.filter(({ state }) => state !== 'ended').length > 1,
  "an ended run's total is the sum of its tallies": (db, runs) =>
    runs.some(({ id, state, deleted }) => state === 'ended' && deleted !== sumOf(db, 'tally', id)),
  "a span's count is the sum of its tallies": (db, _runs, spans) =>
    spans.some(({ run, no, deleted }) => deleted !== sumOf(db, 'tally', run, no)),
  'what is gone is in a tally, nothing twice': (db, runs, _spans, messages) =>
    runs.reduce((sum, { id }) => sum + sumOf(db, 'tally', id), 0) !== messages - rowsOf(db, 'message').length,
  'what was told is what is gone, once every run has ended': (db, runs, _spans, messages) =>
    runs.length > 0 &&
    runs.every(({ state }) => state === 'ended') &&
    runs.reduce((sum, { id }) => sum + sumOf(db, 'outbox', id), 0) !==
      messages - rowsOf(db, 'message').length,
  'a complete run leaves nothing': (db, runs) =>
    runs.some(({ outcome }) => outcome === 'complete') && rowsOf(db, 'message').length > 0,
  'an ended run has no work open': (db, _runs, spans) =>
    spans.some((span) => isOpen(span) && runOf(db, span.run)?.state === 'ended'),
  'a complete run of one round was not cut short': (db, _runs, spans) =>
    spans.some(({ run, state }) => {
      const found = runOf(db, run);
      return state === 'closed' && found?.outcome === 'complete' && found.round === 0;
    }),
  'a walk that is done was walked to its end': (_db, _runs, spans) =>
    spans.some(({ kind, state, cursor, high }) => kind === 'walk' && state === 'done' && cursor !== high),
  'a leased span has its owner, boot, lease and fence': (_db, _runs, spans) =>
    spans.some(
      ({ state, owner, boot, fence }) => state === 'leased' && (owner === null || boot === 0 || fence < 1),
    ),
  'only the holder of a span writes it': (_db, _runs, spans) => spans.some(({ zombie }) => zombie),
  "round 0 leaves no gap: every low is the run's low or another span's high": (_db, _runs, spans) => {
    const walks = firstWalks(spans);
    return walks.some(
      ({ run, low }) => low !== 0 && !walks.some((other) => other.run === run && other.high === low),
    );
  },
  'round 0 walks nothing twice: no low is shared': (_db, _runs, spans) => {
    const lows = firstWalks(spans).map(({ run, low }) => `${run} ${low}`);
    return new Set(lows).size !== lows.length;
  },
  "round 0 reaches the run's high exactly once": (_db, runs, spans) =>
    runs.some(({ id }) => {
      const walks = firstWalks(spans).filter(({ run }) => run === id);
      const top = Math.max(...walks.map(({ high }) => high));
      return walks.filter(({ high }) => high === top).length > 1;
    }),
  'everyone who took part in an ended run is told': (db, runs) =>
    rowsOf(db, 'tally').some(
      ({ run, node }) =>
        runs.some(({ id, state }) => id === run && state === 'ended') && !db.has(keyOf.outbox(run, node)),
    ),
  'nobody else is told, and nobody before the end': (db) =>
    rowsOf(db, 'outbox').some(
      ({ run, node }) =>
        runOf(db, run)?.state !== 'ended' ||
        !rowsOf(db, 'tally').some((tally) => tally.run === run && tally.node === node),
    ),
  'no span has a number beyond the counter': (db, _runs, spans) =>
    spans.some(({ run, no }) => no > (runOf(db, run)?.spans ?? 0)),
  'no tally is of a span that is not there': (db) =>
    rowsOf(db, 'tally').some(({ run, span }) => span > 0 && !db.has(keyOf.span(run, span))),
};

const stateRules: Readonly<Record<string, (state: State) => boolean>> = {
  'every node that answered processing has its callback after the end': (state) =>
    state.actors.some((actor) => isForgotten(state, actor)),
  'all answers of one PUT name one run': ({ actors }) => {
    const named = new Map<string | undefined, string | undefined>();
    return actors.some(({ at, vars }) => {
      if (at !== 'answered processing') return false;
      const before = named.get(vars.request) ?? vars.run;
      named.set(vars.request, before);
      return before !== vars.run;
    });
  },
  'no two transactions wait for each other': (state) => deadlockOf(state) !== null,
  'one callback has one body, whoever sends it': ({ received }) =>
    new Set(received.map((words) => words.split(':')[0])).size !== received.length,
  'what is delivered was received': ({ db, received }) =>
    rowsOf(db, 'outbox').some(
      ({ run, node, state, count }) =>
        state === 'delivered' && !received.includes(`${keyOf.outbox(run, node)}: ${count}`),
    ),
};

/** @param only the one rule to ask, by its words; absent: all of them */
export function rulesFor(messages: number, only?: string): Rules {
  const ofDb = Object.entries(dbRules).filter(([rule]) => only === undefined || rule === only);
  const ofState = Object.entries(stateRules).filter(([rule]) => only === undefined || rule === only);
  return {
    ofDb(db) {
      const runs = rowsOf(db, 'run');
      const spans = rowsOf(db, 'span');
      return ofDb.find(([, isBroken]) => isBroken(db, runs, spans, messages))?.[0] ?? null;
    },
    ofState: (state) => ofState.find(([, isBroken]) => isBroken(state))?.[0] ?? null,
    ofChange: (before, after) => (only === undefined ? turnedBack(before, after) : null),
    atRest: (state) => (only === undefined ? unfinished(state) : null),
  };
}

const order = ['requested', 'running', 'open', 'leased', 'done', 'closed', 'ended', 'waiting', 'delivered'];
const final = ['done', 'closed', 'ended', 'delivered'];

function turnedBack(before: View, after: View): string | null {
  for (const [key, row] of before) {
    const next = after.get(key);
    if (row.t === 'message' || row.t === 'active') continue;
    if (next?.t !== row.t) return `${key} is never removed`;
    if (!('state' in row) || !('state' in next)) continue;
    if (final.includes(row.state) && next.state !== row.state) return `${key} stays ${row.state}`;
    if (row.t !== 'span' && order.indexOf(next.state) < order.indexOf(row.state))
      return `${key} goes not back from ${row.state}`;
    if (row.t === 'span' && next.t === 'span' && next.fence < row.fence)
      return `${key}: the fence never falls`;
  }
  return null;
}

/** Where nothing can happen any more, the run is over and told, unless nobody lives who could do it. */
function unfinished({ db, actors }: State): string | null {
  const isAlive = (role: string): boolean =>
    actors.some((actor) => actor.role === role && actor.at !== 'dead');
  const run = rowsOf(db, 'run').find(({ state }) => state !== 'ended');
  if (run !== undefined && isAlive('worker')) return 'a run comes to its end';
  if (rowsOf(db, 'outbox').some(({ state }) => state === 'waiting') && isAlive('post'))
    return 'a callback is delivered in the end';
  return null;
}

function firstWalks(spans: readonly SpanRow[]): SpanRow[] {
  return spans.filter(({ kind, round, low, high }) => kind === 'walk' && round === 0 && low !== high);
}

function sumOf(db: View, table: 'tally' | 'outbox', run: string, span?: number): number {
  let sum = 0;
  for (const row of db.values()) {
    if (row.t !== table || row.run !== run) continue;
    if (row.t === 'tally' && (span === undefined || row.span === span)) sum += row.deleted;
    if (row.t === 'outbox') sum += row.count;
  }
  return sum;
}
