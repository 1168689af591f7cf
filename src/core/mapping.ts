/**
 * What the collector knows of a messages table: the store mapping. Our own schema is one mapping among others, so
 * nothing above `storage/` knows a table or column by name.
 */

/** `null` schema: the database's default one. Names are quoted by storage, never trusted as SQL. */
export type TableName = { readonly schema: string | null; readonly name: string };

/** Rows of another table that go with a message. `match` pairs a column of theirs with a column of the message. */
export type Dependent = {
  readonly table: TableName;
  readonly match: readonly { readonly column: string; readonly message: string }[];
  readonly action: 'delete' | 'set_null';
};

export type Mapping = {
  readonly store: string;
  readonly table: TableName;
  /** The columns of a unique key, in its order. Compared by the database alone. */
  readonly key: readonly string[];
  /** The column that says since when a message is done with; the first probe asks for the least of it. */
  readonly age: string;
  /** SQL over alias `m`: is this message processed? `:horizon` stands for the run's frozen time. NULL means no. */
  readonly processed: string;
  readonly dependents: readonly Dependent[];
  /** Whether messages may go first with the foreign-key checks left out, where every condition is verified. */
  readonly foreignKeys: 'messages_first' | 'checked';
};

/** The tables that `seed` and `migrate` create. Columns: docs/configuration.md, "Our own schema". */
export const ownMapping: Mapping = {
  store: 'default',
  table: { schema: null, name: 'messages' },
  key: ['id'],
  age: 'processed_at',
  processed: 'm.processed_at <= :horizon',
  dependents: [
    {
      table: { schema: null, name: 'message_receipts' },
      match: [{ column: 'message_id', message: 'id' }],
      action: 'delete',
    },
  ],
  foreignKeys: 'messages_first',
};

export function nameOf(table: TableName): string {
  return table.schema === null ? table.name : `${table.schema}.${table.name}`;
}
