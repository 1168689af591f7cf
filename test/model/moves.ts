import type { Broken } from './broken.js';
import { batch, countApart, touch } from './batch-transaction.js';
import { certification } from './certification.js';
import { locks } from './locks.js';
import { finishLook, slice } from './look-transactions.js';
import { claim, outboxKey, recordDelivered, recordRefused } from './outbox-transactions.js';
import { activeRun, keyOf, rowsOf } from './rows.js';
import { end, plan, replan, start, steer, type Walk } from './run-transactions.js';
import { actorAt, dead, type Semantics, type Transactions } from './semantics.js';
import { putBack, register, release, settle, take } from './span-transactions.js';
import { type Move, spent, type State, withActor } from './state.js';
import { workerMoves } from './worker.js';

export type Kind = 'locks' | 'certification';

/** Every move that a state allows: any actor may be the next. */
export function movesOf(kind: Kind, walk: Walk, broken: Broken): (state: State) => readonly Move[] {
  const transactions: Transactions = {
    start: start(broken),
    plan: plan(walk),
    take: take(broken),
    settle,
    batch: batch(broken),
    countApart,
    putBack: putBack(broken),
    release,
    slice,
    finishLook,
    complete: end('complete', broken),
    cancel: end('failed', broken),
    replan: replan(walk),
    pause: steer(true),
    resume: steer(false),
    register,
    move: touch(true),
    hold: touch(false),
    claim,
    recordDelivered,
    recordRefused,
  };
  const semantics = kind === 'locks' ? locks(transactions) : certification(transactions);
  return (state) =>
    state.actors.flatMap(({ tx }, index) =>
      tx === null ? nextOf(state, index, semantics, broken) : semantics.moves(state, index),
    );
}

function nextOf(state: State, index: number, semantics: Semantics, broken: Broken): readonly Move[] {
  const actor = actorAt(state, index);
  const { role, at, name } = actor;
  switch (role) {
    case 'worker':
      return [...workerMoves(state, index, semantics, broken), ...deaths(state, index)];
    case 'start':
      return at === 'asked' ? [semantics.begin(state, index, 'start')] : [];
    case 'application':
      return at === 'gone' ? [] : [semantics.begin(state, index, at)];
    case 'cancel':
    case 'pause':
    case 'replan': {
      if (at === 'gone') return [];
      if (at === 'seen') return [semantics.begin(state, index, role)];
      if (at === 'paused') return [semantics.begin(state, index, 'resume')];
      const run = activeRun(state.db);
      if (run === undefined) return [];
      const seen = withActor(state, index, { ...actor, at: 'seen', vars: { run: run.id } });
      return [{ label: `${name}: sees run ${run.id}`, state: seen }];
    }
    case 'post':
      return postMoves(state, index, semantics);
    case 'ghost':
      return [];
  }
}

function deaths(state: State, index: number): Move[] {
  const actor = actorAt(state, index);
  if (state.budget.crashes === 0 || actor.at === 'dead') return [];
  const after = spent(withActor(state, index, dead(actor)), 'crashes');
  return [{ label: `${actor.name}: dies`, state: after }];
}

/** The post room: src/webhooks. */
function postMoves(state: State, index: number, semantics: Semantics): readonly Move[] {
  const actor = actorAt(state, index);
  const { at, vars, name } = actor;
  switch (at) {
    case 'idle':
      return rowsOf(state.db, 'outbox').flatMap(({ run, node, count, attempts, claimed, state: how }) => {
        if (
          how !== 'waiting' ||
          (claimed && isBeingSent(state, run, node) && state.budget.claimsRunOut === 0)
        )
          return [];
        const after = claimed && isBeingSent(state, run, node) ? spent(state, 'claimsRunOut') : state;
        const seen = { run, dest: node, count, attempts };
        return [
          {
            label: `${name}: sees ${keyOf.outbox(run, node)}`,
            state: withActor(after, index, { ...actor, at: 'claiming', vars: seen }),
          },
        ];
      });
    case 'claiming':
      return [semantics.begin(state, index, 'claim')];
    case 'sending': {
      const received = [...new Set([...state.received, `${outboxKey(vars)}: ${vars.count}`])].sort();
      const to = (where: string): State => withActor(state, index, { ...actor, at: where });
      const found: Move[] = [
        { label: `${name}: sends, and gets 200`, state: { ...to('recording'), received } },
      ];
      if (state.budget.refusals > 0) {
        found.push({
          label: `${name}: sends, and gets 503`,
          state: spent({ ...to('recording a refusal'), received }, 'refusals'),
        });
      }
      if (state.budget.forgets > 0) {
        found.push({
          label: `${name}: sends, gets 200, and the process restarts`,
          state: spent(
            { ...withActor(state, index, { ...actor, at: 'idle', vars: {} }), received },
            'forgets',
          ),
        });
      }
      return found;
    }
    case 'recording':
      return [semantics.begin(state, index, 'recordDelivered')];
    case 'recording a refusal':
      return [semantics.begin(state, index, 'recordRefused')];
    default:
      return [];
  }
}

function isBeingSent({ actors }: State, run: string, dest: string): boolean {
  return actors.some(
    ({ role, at, vars }) => role === 'post' && at !== 'claiming' && vars.run === run && vars.dest === dest,
  );
}
