import { keyOf, type Key, newSpan, type Row } from './rows.js';
import type { Actor, Budget, State } from './state.js';

const nothing: Budget = {
  crashes: 0,
  lostCommits: 0,
  takeOvers: 0,
  forgets: 0,
  putBacks: 0,
  cuts: 0,
  retries: 0,
  claimsRunOut: 0,
  refusals: 0,
};

/** A small world: what is in the database, who acts, and how much may go wrong. */
export function world(
  db: readonly (readonly [Key, Row])[],
  actors: readonly Actor[],
  budget: Partial<Budget> = {},
): State {
  return { db: new Map(db), actors, budget: { ...nothing, ...budget }, received: [] };
}

/** Message 1 at place 1, message 2 at place 2. */
export function messages(count: number): [Key, Row][] {
  return Array.from({ length: count }, (_, at) => [
    keyOf.message(at + 1),
    { t: 'message', id: at + 1, place: at + 1 },
  ]);
}

/** A run that the nodes a and b have answered for. */
export function run(id: string, state: 'requested' | 'running' | 'ended', nodes = ['a', 'b']): [Key, Row][] {
  return [
    [
      keyOf.run(id),
      {
        t: 'run',
        id,
        state,
        outcome: state === 'ended' ? 'complete' : null,
        round: 0,
        spans: 0,
        paused: false,
        deleted: 0,
      },
    ],
    [keyOf.request(id), { t: 'request', run: id }],
    ...(state === 'ended' ? [] : ([[keyOf.active, { t: 'active', run: id }]] as [Key, Row][])),
    ...nodes.map((node): [Key, Row] => [
      keyOf.tally(id, 0, node),
      { t: 'tally', run: id, span: 0, node, deleted: 0 },
    ]),
  ];
}

/** A run that is planned: one walk to `high`, and a look if wanted. */
export function planned(id: string, high: number, look = false): [Key, Row][] {
  const rows = run(id, 'running').map(([key, row]): [Key, Row] => [
    key,
    row.t === 'run' ? { ...row, spans: look ? 2 : 1 } : row,
  ]);
  const spans = [newSpan({ run: id, no: 1, round: 0, kind: 'walk', low: 0, high })];
  if (look) spans.push(newSpan({ run: id, no: 2, round: 0, kind: 'look', low: 0, high }));
  return [...rows, ...spans.map(([key, row]): [Key, Row] => [key, row])];
}

/** The callback of a run that ended with nothing deleted. */
export function callbackOf(id: string, node: string): [Key, Row][] {
  return [
    [
      keyOf.outbox(id, node),
      { t: 'outbox', run: id, node, count: 0, state: 'waiting', attempts: 0, claimed: false },
    ],
  ];
}

const actor = (role: Actor['role'], name: string, at: string, change: Partial<Actor> = {}): Actor => ({
  name,
  role,
  node: name,
  boot: 1,
  at,
  vars: {},
  tx: null,
  ...change,
});

export const worker = (node: string): Actor => actor('worker', node, 'idle');
/** The same node started again: its first step is T1. */
export const restarted = (node: string): Actor =>
  actor('worker', `${node} again`, 'registering', { node, boot: 2 });
export const asked = (node: string, request: string, again = ''): Actor =>
  actor('start', `PUT ${request} at ${node} ${again}`.trim(), 'asked', { node, vars: { request } });
/** A node that has answered for the run already. */
export const answered = (node: string, request: string): Actor =>
  actor('start', `PUT ${request} at ${node}`, 'answered processing', {
    node,
    vars: { request, run: request },
  });
export const canceller = actor('cancel', 'cancel', 'waiting');
/** Somebody who found the table rewritten, at any time. */
export const replanner = actor('replan', 'replan', 'waiting');
export const steerer = actor('pause', 'pause', 'waiting');
export const application = (does: 'hold' | 'move', message: number): Actor =>
  actor('application', `application at ${message}`, does, { vars: { no: message } });
export const post = (node: string): Actor => actor('post', `post room of ${node}`, 'idle', { node });
