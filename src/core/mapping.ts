/**
 * What the collector knows of a messages table: the store mapping. Our own schema is one mapping among others, so
 * nothing above `storage/` knows a table or column by name.
 *
 * A message is eligible when its age is a real time at or before the horizon, AND `processed` is true, AND no hold is.
 * Everything of it is SQL over alias `m`, repeated inside every DELETE; NULL means no.
 */

/** `null` schema: the database's default one. Names are quoted by storage, never trusted as SQL. */
export type TableName = { readonly schema: string | null; readonly name: string };

/**
 * What a column of ages holds. `timestamptz` is a moment (on the MySQL family: TIMESTAMP); `datetime` is a clock
 * reading without zone (PostgreSQL `timestamp`, MySQL DATETIME), which `zone` turns into a moment; `epoch_*` are
 * whole or decimal numbers since 1970-01-01 UTC. NULL, 0 and a zero date are no age: never eligible.
 */
export const ageUnits = ['timestamptz', 'datetime', 'epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns'] as const;
export type AgeUnit = (typeof ageUnits)[number];

export type Age = {
  /** The column that says how old a message is; the first probe asks for the least of it. */
  readonly column: string;
  readonly unit: AgeUnit;
  /** For `datetime`: `UTC`, an offset such as `+02:00`, or a zone that the server knows; null for other units. */
  readonly zone: string | null;
};

/** A condition that keeps a message whatever its age. */
export type Hold = { readonly name: string; readonly where: string };

export const dependentActions = ['delete', 'set_null', 'leave_to_fk', 'keep'] as const;
/**
 * `delete`, `set_null`: done and counted by us, in the message's transaction. `leave_to_fk`: the foreign key's own ON
 * DELETE does it, uncounted, with the server's checks on. `keep`: the rows stay; only where no foreign key objects.
 */
export type DependentAction = (typeof dependentActions)[number];

/**
 * Rows of another table that go with a message. `match` pairs a column of theirs with a column of the message (of the
 * dependent above, for the second level). The table may be the messages table itself (a reply to a message).
 */
export type Dependent = {
  readonly table: TableName;
  readonly match: readonly { readonly column: string; readonly message: string }[];
  readonly action: DependentAction;
  /** Rows that go with these rows; only below `delete`. */
  readonly dependents?: readonly Dependent[];
};

/** Columns whose values the product's hold list may name, beside the key. */
export type HoldList = { readonly contact: string };

export type Mapping = {
  readonly store: string;
  readonly table: TableName;
  /** The columns of a unique key, in its order. Compared by the database alone. */
  readonly key: readonly string[];
  readonly age: Age;
  /**
   * Is this message done with? `:now` stands for the time at which the run froze its horizon, in the unit of the age:
   * a number for `epoch_*`, else a time.
   */
  readonly processed: string;
  readonly holds: readonly Hold[];
  /** Null: the hold list knows keys only. */
  readonly holdList: HoldList | null;
  /** In the order in which they go. */
  readonly dependents: readonly Dependent[];
  /** Whether messages may go first with the foreign-key checks left out, where every condition is verified. */
  readonly foreignKeys: 'messages_first' | 'checked';
  /** The operator's choice of the walk; null: the planner chooses. */
  readonly walk: 'key' | 'age' | 'blocks' | null;
};

/** The tables that `seed` and `migrate` create. Columns: docs/configuration.md, "Our own schema". */
export const ownMapping: Mapping = {
  store: 'default',
  table: { schema: null, name: 'messages' },
  key: ['id'],
  age: { column: 'processed_at', unit: 'timestamptz', zone: null },
  processed: 'true',
  holds: [],
  holdList: { contact: 'contact' },
  dependents: [
    {
      table: { schema: null, name: 'message_receipts' },
      match: [{ column: 'message_id', message: 'id' }],
      action: 'delete',
    },
  ],
  foreignKeys: 'messages_first',
  walk: null,
};

export function nameOf(table: TableName): string {
  return table.schema === null ? table.name : `${table.schema}.${table.name}`;
}
