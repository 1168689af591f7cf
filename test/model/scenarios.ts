import type { Walk } from './run-transactions.js';
import type { State } from './state.js';
import {
  answered,
  application,
  asked,
  callbackOf,
  canceller,
  messages,
  planned,
  replanner,
  post,
  restarted,
  run,
  steerer,
  worker,
  world,
} from './worlds.js';
import { keyOf } from './rows.js';

export type Scenario = {
  readonly initial: State;
  readonly walk: Walk;
  readonly messages: number;
  readonly ends: readonly string[];
};

const byKey: Walk = { high: 2, look: false };
const byBlocks: Walk = { high: 2, look: true };
const told = [answered('a', 'A'), answered('b', 'A')];

export const scenarios = {
  'a batch against a take-over of the same span': {
    initial: world([...messages(2), ...planned('A', 2)], [...told, worker('a'), worker('b')], {
      takeOvers: 2,
      cuts: 1,
    }),
    walk: byKey,
    messages: 2,
    ends: ['A complete 2'],
  },
  'a batch against a cancel': {
    initial: world([...messages(2), ...planned('A', 2)], [...told, worker('a'), worker('b'), canceller], {
      forgets: 1,
      takeOvers: 1,
    }),
    walk: byKey,
    messages: 2,
    ends: ['A failed 0', 'A failed 1', 'A failed 2', 'A complete 2'],
  },
  'putting back and cutting against a cancel': {
    initial: world([...messages(2), ...planned('A', 2)], [...told, worker('a'), worker('b'), canceller], {
      putBacks: 1,
      takeOvers: 1,
      cuts: 1,
    }),
    walk: byKey,
    messages: 2,
    ends: ['A failed 0', 'A failed 1', 'A failed 2', 'A complete 2'],
  },
  'parking a locked row against a cancel and a take-over': {
    initial: world(
      [...messages(2), ...planned('A', 2)],
      [...told, worker('a'), worker('b'), application('hold', 1), canceller],
      { takeOvers: 1, retries: 1 },
    ),
    walk: byKey,
    messages: 2,
    ends: ['A failed 0', 'A failed 1', 'A failed 2', 'A complete 2'],
  },
  'two starts of one PUT against the end of their run': {
    initial: world(messages(1), [asked('a', 'A'), asked('b', 'A'), worker('a'), canceller], {
      lostCommits: 1,
    }),
    walk: byKey,
    messages: 1,
    ends: ['A failed 0', 'A failed 1', 'A complete 1'],
  },
  'a start of a PUT whose run has ended, twice and under a new name': {
    initial: world(run('A', 'ended', ['a']).concat(callbackOf('A', 'a')), [
      answered('a', 'A'),
      asked('b', 'A'),
      asked('b', 'A', 'again'),
      asked('c', 'A'),
    ]),
    walk: byKey,
    messages: 0,
    ends: ['A complete 0'],
  },
  'two PUTs against the end of the run that they would join': {
    initial: world(messages(1), [
      asked('a', 'A'),
      asked('b', 'A'),
      asked('a', 'B'),
      asked('b', 'B'),
      canceller,
    ]),
    walk: byKey,
    messages: 1,
    ends: ['A failed 0', 'B failed 0', 'A failed 0, B unfinished 0', 'A unfinished 0, B failed 0'],
  },
  'a second PUT against the end that a worker makes': {
    initial: world(messages(1), [asked('a', 'A'), asked('b', 'A'), asked('b', 'B'), worker('a')]),
    walk: byKey,
    messages: 1,
    ends: ['A complete 1', 'B complete 1', 'A complete 1, B complete 0', 'A complete 0, B complete 1'],
  },
  'two plans against a cancel': {
    initial: world(
      [...messages(2), ...run('A', 'requested')],
      [...told, worker('a'), worker('b'), canceller],
    ),
    walk: byKey,
    messages: 2,
    ends: ['A failed 0', 'A failed 1', 'A failed 2', 'A complete 2'],
  },
  'a look against its own zombie and a row that moves': {
    initial: world(
      [...messages(2), ...planned('A', 2, true)],
      [...told, worker('a'), worker('b'), application('move', 2)],
      { takeOvers: 1 },
    ),
    walk: byBlocks,
    messages: 2,
    ends: ['A complete 2'],
  },
  'a next round against a cancel': {
    initial: world(
      [...messages(1), ...planned('A', 2, true)],
      [...told, worker('a'), worker('b'), application('move', 1), canceller],
    ),
    walk: byBlocks,
    messages: 1,
    ends: ['A failed 0', 'A failed 1', 'A complete 1'],
  },
  'a look and a next round, with a crash at any step': {
    initial: world(
      [...messages(1), ...planned('A', 2, true)],
      [...told, worker('a'), worker('b'), application('move', 1)],
      { crashes: 1 },
    ),
    walk: byBlocks,
    messages: 1,
    ends: ['A complete 1'],
  },
  'a look and a next round, with an answer to COMMIT lost': {
    initial: world(
      [...messages(1), ...planned('A', 2, true)],
      [...told, worker('a'), worker('b'), application('move', 1)],
      { lostCommits: 1 },
    ),
    walk: byBlocks,
    messages: 1,
    ends: ['A complete 1'],
  },
  'a walk that begins again, against batches and a cancel': {
    initial: world(
      [...messages(2), ...planned('A', 2, true)],
      [...told, worker('a'), worker('b'), replanner, canceller],
    ),
    walk: byBlocks,
    messages: 2,
    ends: ['A failed 0', 'A failed 1', 'A failed 2', 'A complete 2'],
  },
  'a restart against the former life of the node in a batch': {
    initial: world(
      [...messages(2), ...planned('A', 2), [keyOf.node('a'), { t: 'node', name: 'a', boot: 1 }]],
      [...told, worker('a'), restarted('a'), worker('b')],
      { lostCommits: 1 },
    ),
    walk: byKey,
    messages: 2,
    ends: ['A complete 2'],
  },
  'two post rooms with one callback': {
    initial: world(run('A', 'ended', ['a']).concat(callbackOf('A', 'a')), [post('a'), post('b')], {
      claimsRunOut: 2,
      refusals: 2,
      forgets: 1,
      lostCommits: 1,
    }),
    walk: byKey,
    messages: 0,
    ends: ['A complete 0'],
  },
  'a pause against a take and a batch': {
    initial: world([...messages(2), ...planned('A', 2)], [...told, worker('a'), worker('b'), steerer], {
      takeOvers: 1,
      cuts: 1,
    }),
    walk: byKey,
    messages: 2,
    ends: ['A complete 2'],
  },
  'an empty run, ended by its planner, against the starts of the other node': {
    initial: world([], [asked('a', 'A'), asked('b', 'A'), asked('b', 'B'), worker('a'), worker('b')]),
    walk: byKey,
    messages: 0,
    ends: ['A complete 0', 'B complete 0', 'A complete 0, B complete 0'],
  },
  'a crash at any step, with answers to COMMIT lost': {
    initial: world([...messages(2), ...planned('A', 2)], [...told, worker('a'), worker('b')], {
      crashes: 1,
      lostCommits: 1,
      takeOvers: 1,
      cuts: 1,
    }),
    walk: byKey,
    messages: 2,
    ends: ['A complete 2'],
  },
  'a crash of a worker before a cancel, with an answer to COMMIT lost': {
    initial: world([...messages(2), ...planned('A', 2)], [...told, worker('a'), worker('b'), canceller], {
      crashes: 1,
      lostCommits: 1,
    }),
    walk: byKey,
    messages: 2,
    ends: ['A failed 0', 'A failed 1', 'A failed 2', 'A complete 2'],
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
