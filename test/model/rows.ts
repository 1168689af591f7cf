/** The rows of the ledger as the model keeps them: only the columns that decide something. Places are small numbers. */
export type RunRow = {
  readonly t: 'run';
  readonly id: string;
  readonly state: 'requested' | 'running' | 'ended';
  readonly outcome: 'complete' | 'failed' | null;
  readonly round: number;
  /** Last span number given. */
  readonly spans: number;
  readonly paused: boolean;
  readonly deleted: number;
};

export type SpanRow = {
  readonly t: 'span';
  readonly run: string;
  readonly no: number;
  readonly round: number;
  readonly kind: 'walk' | 'parked' | 'look';
  readonly low: number;
  readonly high: number;
  readonly cursor: number;
  readonly state: 'open' | 'leased' | 'done' | 'closed';
  readonly owner: string | null;
  readonly boot: number;
  readonly fence: number;
  readonly deleted: number;
  /** Of a look: whether a slice of it was recorded. */
  readonly sliced: boolean;
  /** Not a column: whether a batch ever wrote the row under a fence that was not the row's. */
  readonly zombie: boolean;
};

export type TallyRow = {
  readonly t: 'tally';
  readonly run: string;
  readonly span: number;
  readonly node: string;
  readonly deleted: number;
};

export type OutboxRow = {
  readonly t: 'outbox';
  readonly run: string;
  readonly node: string;
  readonly count: number;
  readonly state: 'waiting' | 'delivered';
  readonly attempts: number;
  readonly claimed: boolean;
};

export type Row =
  | RunRow
  | SpanRow
  | TallyRow
  | OutboxRow
  /** The unique column `active` of the run table, as a row: what two INSERTs of a run collide at. */
  | { readonly t: 'active'; readonly run: string }
  | { readonly t: 'request'; readonly run: string }
  | { readonly t: 'node'; readonly name: string; readonly boot: number }
  | { readonly t: 'message'; readonly id: number; readonly place: number };

export type Key = string;
export type View = ReadonlyMap<Key, Row>;

export const keyOf = {
  run: (run: string): Key => `run/${run}`,
  span: (run: string, no: number): Key => `span/${run}/${no}`,
  tally: (run: string, span: number, node: string): Key => `tally/${run}/${span}/${node}`,
  outbox: (run: string, node: string): Key => `outbox/${run}/${node}`,
  request: (id: string): Key => `request/${id}`,
  node: (name: string): Key => `node/${name}`,
  message: (id: number): Key => `message/${id}`,
  active: 'active',
} as const;

export function runOf(view: View, id: string | undefined): RunRow | undefined {
  const row = id === undefined ? undefined : view.get(keyOf.run(id));
  return row?.t === 'run' ? row : undefined;
}

export function spanOf(view: View, run: string | undefined, no: number | undefined): SpanRow | undefined {
  const row = run === undefined || no === undefined ? undefined : view.get(keyOf.span(run, no));
  return row?.t === 'span' ? row : undefined;
}

/** All rows of one table. */
export function rowsOf<T extends Row['t']>(view: View, table: T): Extract<Row, { t: T }>[] {
  const found: Extract<Row, { t: T }>[] = [];
  for (const row of view.values()) if (isOf(row, table)) found.push(row);
  return found;
}

function isOf<T extends Row['t']>(row: Row, table: T): row is Extract<Row, { t: T }> {
  return row.t === table;
}

export function activeRun(view: View): RunRow | undefined {
  const row = view.get(keyOf.active);
  return row?.t === 'active' ? runOf(view, row.run) : undefined;
}

export function spansOf(view: View, run: string): SpanRow[] {
  return rowsOf(view, 'span').filter((span) => span.run === run);
}

export function isOpen(span: SpanRow): boolean {
  return span.state === 'open' || span.state === 'leased';
}

export function newSpan(
  span: Pick<SpanRow, 'run' | 'no' | 'round' | 'kind' | 'low' | 'high'>,
): readonly [Key, SpanRow] {
  return [
    keyOf.span(span.run, span.no),
    {
      t: 'span',
      ...span,
      cursor: span.low,
      state: 'open',
      owner: null,
      boot: 0,
      fence: 0,
      deleted: 0,
      sliced: false,
      zombie: false,
    },
  ];
}
