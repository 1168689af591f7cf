import type { Key, Row, SpanRow, View } from './rows.js';

/** What an actor remembers, and what a transaction has read so far. */
export type Vars = {
  readonly node?: string;
  readonly boot?: number;
  readonly request?: string;
  readonly run?: string;
  readonly no?: number;
  readonly fence?: number;
  readonly round?: number;
  readonly kind?: SpanRow['kind'];
  readonly low?: number;
  readonly cursor?: number;
  readonly high?: number;
  /** Where a batch or a slice ends. */
  readonly to?: number;
  /** Where a span is cut; absent: not at all. */
  readonly pivot?: number;
  /** The number reserved for a span that is to be made. */
  readonly newNo?: number;
  readonly skip?: boolean;
  readonly skipped?: number;
  readonly deleted?: number;
  /** A parked span that was tried whole and keeps rows that others hold. */
  readonly stays?: boolean;
  readonly known?: boolean;
  readonly makes?: boolean;
  readonly ended?: boolean;
  readonly isLast?: boolean;
  readonly left?: boolean;
  readonly next?: boolean;
  /** What T10 tells each node. */
  readonly told?: Readonly<Record<string, number>>;
  /** The node that a callback speaks for. */
  readonly dest?: string;
  readonly attempts?: number;
  readonly count?: number;
};

/** A statement of a transaction. `when` false: it is not sent. */
export type Statement = {
  readonly when?: (vars: Vars) => boolean;
  /**
   * Touches only rows that the transaction holds already, or keys that nobody else can want: nobody can see when it
   * happens, so it is no step of its own.
   */
  readonly quiet?: boolean;
} & (
  | { readonly kind: 'read'; readonly read: (view: View, vars: Vars) => Vars | Lost }
  | {
      readonly kind: 'update';
      /** Judged in the statement's snapshot, and again on the newest version of the row once it is locked. */
      readonly where: (row: Row, vars: Vars) => boolean;
      /** The part of WHERE that asks other rows: judged in the snapshot only. */
      readonly also?: (view: View, vars: Vars) => boolean;
      /** Null deletes the row. Absent: SELECT … FOR UPDATE. */
      readonly set?: (row: Row, vars: Vars) => Row | null;
      readonly skipLocked?: (vars: Vars) => boolean;
      /** Asks whether the rows are what is wanted, and remembers what they say. */
      readonly judge?: (rows: readonly Row[], vars: Vars, view: View, skipped: number) => Vars | Lost;
    }
  | {
      readonly kind: 'insert';
      readonly rows: (view: View, vars: Vars) => readonly (readonly [Key, Row])[];
      /** A key that is there is left alone; otherwise it is a lost decision. */
      readonly unlessThere?: boolean;
    }
);

/** The guard was not met: ROLLBACK, and the actor goes on at another place. */
export type Lost = { readonly lost: string };

export function isLost(answer: object): answer is Lost {
  return 'lost' in answer;
}

export type Transaction = {
  readonly statements: readonly Statement[];
  readonly committed: (actor: Actor, vars: Vars) => Actor;
  readonly lost: (actor: Actor, why: string) => Actor;
  /** Rolled back by a conflict or a lock wait that was over. Absent: the same again. */
  readonly conflict?: (actor: Actor) => Actor;
  /** The answer to COMMIT was lost. */
  readonly unsure: (actor: Actor) => Actor;
};

export type OpenTransaction = {
  readonly name: string;
  /** The next statement; as many as there are: COMMIT is next. */
  readonly at: number;
  readonly vars: Vars;
  /** Rows written, not yet committed. Null: deleted. */
  readonly own: Readonly<Record<Key, Row | null>>;
  /** Rows locked and not written. */
  readonly locked: readonly Key[];
  /** Rows that an UPDATE picked in its snapshot and still waits for; the first is held by another. */
  readonly picked: readonly Key[] | null;
  /** Rows that it has judged again and written already. */
  readonly judged: readonly Row[];
};

export type Actor = {
  readonly name: string;
  readonly role: 'worker' | 'start' | 'cancel' | 'pause' | 'replan' | 'application' | 'post' | 'ghost';
  readonly node: string;
  readonly boot: number;
  readonly at: string;
  readonly vars: Vars;
  readonly tx: OpenTransaction | null;
};

/** How often what may happen at every step still may, so that the model has an end. */
export type Budget = {
  readonly crashes: number;
  /** Answers to COMMIT that get lost, with the COMMIT happening sooner, later or never. */
  readonly lostCommits: number;
  /** Leases that run out while their owner is at work. */
  readonly takeOvers: number;
  readonly forgets: number;
  readonly putBacks: number;
  /** Pivots of takes. */
  readonly cuts: number;
  /** Takes of a parked span whose rows are still locked; it is due later, and each time later still. */
  readonly retries: number;
  readonly claimsRunOut: number;
  readonly refusals: number;
};

export type State = {
  readonly db: View;
  readonly actors: readonly Actor[];
  readonly budget: Budget;
  /** What the receiver of callbacks was sent: outbox key and body. */
  readonly received: readonly string[];
};

export type Move = { readonly label: string; readonly state: State };

export function withActor(state: State, index: number, actor: Actor): State {
  return { ...state, actors: state.actors.map((other, at) => (at === index ? actor : other)) };
}

export function spent(state: State, what: keyof Budget): State {
  return { ...state, budget: { ...state.budget, [what]: state.budget[what] - 1 } };
}
