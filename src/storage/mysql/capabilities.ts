/**
 * What the servers of the family can do, by name, so that no statement asks which of them it speaks to. MySQL is
 * written from its documentation and was not run here; docs/mysql.md says so.
 */
export type Capabilities = {
  readonly engine: 'mariadb' | 'mysql';
  /** As the server says it. */
  readonly version: string;
  /** Major, minor, patch. */
  readonly number: readonly [number, number, number];
  /** `DELETE … RETURNING`. */
  readonly returning: boolean;
  /** `SET STATEMENT innodb_lock_wait_timeout = 0 FOR …`: a statement that gives up instead of waiting. */
  readonly zeroLockWait: boolean;
  /** `max_statement_time` for every statement; otherwise only SELECT can be limited. */
  readonly statementTime: boolean;
  /** Where InnoDB tells who waits for whom. */
  readonly lockWaits: 'information_schema' | 'performance_schema';
  /** How a table of values is written inside a statement: `VALUES (1)` or `VALUES ROW(1)`; null: not at all. */
  readonly valuesTable: 'plain' | 'row' | null;
};

export function capabilitiesOf(version: string): Capabilities {
  const isMariaDb = /mariadb/i.test(version);
  // Some servers say "5.5.5-10.11.2-MariaDB" for the sake of old replicas.
  const [, major = '0', minor = '0', patch = '0'] = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  const number = [Number(major), Number(minor), Number(patch)] as const;
  const [, , least] = number;
  const knowsRow = number[0] > 8 || (number[0] === 8 && (number[1] > 0 || least >= 19));
  return {
    engine: isMariaDb ? 'mariadb' : 'mysql',
    version,
    number,
    returning: isMariaDb,
    zeroLockWait: isMariaDb,
    statementTime: isMariaDb,
    lockWaits: isMariaDb ? 'information_schema' : 'performance_schema',
    valuesTable: isMariaDb ? 'plain' : knowsRow ? 'row' : null,
  };
}

/** The statement that a batch is delayed by most; longer ones are ended by the server and made smaller. */
const longestStatementSeconds = 2;

/**
 * A session of ours, whatever the server's defaults. `in_predicate_conversion_threshold`: a list of a thousand keys
 * would be turned into a join over a table of them, which DELETE cannot use an index for.
 */
export function sessionSettings(
  can: Capabilities,
  idleInTransactionSeconds: number,
  lockWaitSeconds: number,
  statementSeconds = longestStatementSeconds * Math.max(1, lockWaitSeconds),
): readonly string[] {
  const common = [
    `time_zone = '+00:00'`,
    `sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'`,
    'autocommit = 1',
    'foreign_key_checks = 1',
    'sql_safe_updates = 0',
    'group_concat_max_len = 1048576',
    // A range written out for two columns would be read as a union of two, out of order.
    `optimizer_switch = 'index_merge=off'`,
    `innodb_lock_wait_timeout = ${lockWaitSeconds}`,
    `lock_wait_timeout = ${lockWaitSeconds}`,
  ];
  const own =
    can.engine === 'mariadb'
      ? [
          `idle_transaction_timeout = ${idleInTransactionSeconds}`,
          `idle_write_transaction_timeout = ${idleInTransactionSeconds}`,
          `max_statement_time = ${statementSeconds}`,
          'in_predicate_conversion_threshold = 0',
        ]
      : [
          // MySQL has no limit of its own for a session that is idle in a transaction.
          `wait_timeout = 10`,
          `max_execution_time = ${statementSeconds * 1_000}`,
          'range_optimizer_max_mem_size = 0',
          'information_schema_stats_expiry = 0',
        ];
  return [
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    `SET SESSION ${[...common, ...own].join(', ')}`,
  ];
}
