import { newId } from '../../core/node-name.js';
import type { PaceName } from '../../core/pace.js';
import type { Policy } from '../../core/policy.js';
import type { HoldEntry, User } from '../../core/ports.js';
import type { Outcome, Plan, RunForm, RunState, SpanKind } from '../../core/run.js';
import type { NodeLive } from '../../core/run-view.js';
import type { ApplicationSettings } from '../../core/settings.js';

/**
 * The tables of the protocol as plain maps. The rest of the folder works on them in synchronous steps, so that each
 * method of a port is one transaction by nature: it either runs to its end or throws before it changed anything.
 * Times are milliseconds of the given clock.
 */
export type Tables = {
  readonly ledger: { readonly storeId: string; cluster: string | null };
  readonly messages: Map<number, MessageRow>;
  readonly nodes: Map<string, NodeRow>;
  /** In the order in which the runs were made. */
  readonly runs: Map<string, RunRow>;
  /** Every start that was ever asked, by its request id. */
  readonly requests: Map<string, { readonly run: string; readonly by: string }>;
  readonly spans: SpanRow[];
  readonly tallies: TallyRow[];
  readonly outbox: Map<string, OutboxRow>;
  readonly home: HomeRows;
  /** By kind and value, in the order in which they were made. */
  readonly holds: Map<string, HoldEntry & { readonly by: string; readonly at: Date }>;
};

export type MessageRow = {
  readonly processedAt: number | null;
  receipts: number;
  readonly contact?: string;
};

export type NodeRow = {
  readonly name: string;
  boot: string;
  address: string;
  policyHash: string;
  beatAt: number;
  leftAt: number | null;
  live: { readonly run: string; readonly told: NodeLive; readonly at: number } | null;
};

export type RunRow = {
  readonly id: string;
  state: RunState;
  outcome: Outcome | null;
  error: string | null;
  form: RunForm;
  readonly policyHash: string;
  readonly server: string;
  policy: Policy | null;
  plan: Plan | null;
  round: number;
  /** The last span number given. */
  spans: number;
  paused: boolean;
  pausedBy: string | null;
  maxRate: number | null;
  profile: PaceName | null;
  readonly requestedBy: string;
  readonly madeAt: number;
  endedAt: number | null;
  deleted: number;
  /** False: ended on another server than it began on; nobody is told. */
  told: boolean;
};

/** Bounds are keys: `low` exclusive, `high` inclusive. Done means that the cursor stands at `high`. */
export type SpanRow = {
  readonly run: string;
  readonly no: number;
  readonly round: number;
  readonly kind: SpanKind;
  readonly low: number;
  high: number;
  cursor: number;
  state: 'open' | 'leased' | 'done' | 'closed';
  owner: string | null;
  boot: string | null;
  fence: number;
  leaseUntil: number | null;
  dueAt: number;
  attempts: number;
  batches: number;
  deleted: number;
};

/** Span 0 says "this node takes part" and keeps zeros. */
export type TallyRow = {
  readonly run: string;
  readonly span: number;
  readonly node: string;
  deleted: number;
  dependents: number;
  batches: number;
};

export type OutboxRow = {
  readonly id: string;
  readonly run: string;
  /** '' = the one callback of the single form. */
  readonly node: string;
  readonly body: string;
  state: 'waiting' | 'delivered' | 'dropped';
  attempts: number;
  dueAt: number;
  claimedUntil: number | null;
  lastStatus: number | null;
  lastError: string | null;
};

export type HomeRows = {
  settings: ApplicationSettings | null;
  readonly secrets: Map<string, string>;
  /** By the name in lower case. */
  readonly users: Map<string, User>;
  /** Token id to the time when it expires by itself. */
  readonly revoked: Map<string, number>;
};

/** There is one memory. */
export const memoryServer = 'memory';

export function createTables(): Tables {
  return {
    ledger: { storeId: newId(), cluster: null },
    messages: new Map(),
    nodes: new Map(),
    runs: new Map(),
    requests: new Map(),
    spans: [],
    tallies: [],
    outbox: new Map(),
    home: { settings: null, secrets: new Map(), users: new Map(), revoked: new Map() },
    holds: new Map(),
  };
}

/** Whether the hold list names this message. */
export function isHeld({ holds }: Tables, key: number, { contact }: MessageRow): boolean {
  return holds.has(`key ${key}`) || (contact !== undefined && holds.has(`contact ${contact}`));
}

export function activeRun(tables: Tables): RunRow | undefined {
  return [...tables.runs.values()].find((run) => run.state !== 'ended');
}

export function spansOf(tables: Tables, run: string): readonly SpanRow[] {
  return tables.spans.filter((span) => span.run === run);
}

/** The guard of every write to a span: it is leased, and under the fence that the caller was given. */
export function leasedSpan(tables: Tables, run: string, no: number, fence: number): SpanRow | undefined {
  return tables.spans.find(
    (span) => span.run === run && span.no === no && span.fence === fence && span.state === 'leased',
  );
}

/** The node's tally of the span, made with zeros where there is none. */
export function tallyOf(tables: Tables, run: string, span: number, node: string): TallyRow {
  const found = tables.tallies.find((row) => row.run === run && row.span === span && row.node === node);
  if (found !== undefined) return found;
  const made = { run, span, node, deleted: 0, dependents: 0, batches: 0 };
  tables.tallies.push(made);
  return made;
}
