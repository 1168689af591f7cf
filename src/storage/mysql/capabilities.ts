/**
 * What the servers of the family can do, by name, so that no statement asks which of them it speaks to. Which were
 * tried stands in docs/compatibility.md.
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
  /** A limit for sessions that are idle in a transaction; otherwise every idle session is ended by it. */
  readonly idleTransactionTime: boolean;
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
  return {
    engine: isMariaDb ? 'mariadb' : 'mysql',
    version,
    number,
    returning: isMariaDb,
    zeroLockWait: isMariaDb,
    idleTransactionTime: isMariaDb,
    statementTime: isMariaDb,
    lockWaits: isMariaDb ? 'information_schema' : 'performance_schema',
    valuesTable: isMariaDb ? 'plain' : isAtLeast(number, [8, 0, 19]) ? 'row' : null,
  };
}

/** It came with a patch of each branch. */
function knowsSnapshotIsolation(number: Capabilities['number']): boolean {
  if (isAtLeast(number, [11, 6, 2])) return true;
  const branches = [
    [10, 6, 18],
    [10, 11, 8],
    [11, 4, 2],
  ] as const;
  return branches.some(
    (since) => number[0] === since[0] && number[1] === since[1] && isAtLeast(number, since),
  );
}

function isAtLeast(number: Capabilities['number'], least: Capabilities['number']): boolean {
  const place = number.findIndex((part, at) => part !== least[at]);
  return place === -1 || (number[place] ?? 0) > (least[place] ?? 0);
}

/** The statement that a batch is delayed by most; longer ones are ended by the server and made smaller. */
const longestStatementSeconds = 2;

/**
 * A session of ours, whatever the server's defaults and its `init_connect` say. A character set other than the one that the
 * driver writes in turns a text of the mapping or of the hold list into another, and `sql_select_limit` cuts what we read:
 * messages were deleted that a hold named, and a run ended before everything was looked at.
 * `in_predicate_conversion_threshold`: a list of a thousand keys would be turned into a join over a table of them, which
 * DELETE cannot use an index for.
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
    // Not DEFAULT, which is the server's.
    'sql_select_limit = 18446744073709551615',
    'sql_big_selects = 1',
    // Otherwise `id IS NULL` may mean the row that was inserted last.
    'sql_auto_is_null = 0',
    // Otherwise each COMMIT begins another transaction.
    'completion_type = 0',
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
          // On by default from 11.6 on: a locking read that waited for a row would be refused because the row has changed, which is
          // why it waited.
          ...(knowsSnapshotIsolation(can.number) ? ['innodb_snapshot_isolation = OFF'] : []),
        ]
      : [
          // MySQL has no limit of its own for a session that is idle in a transaction, only one for any idle session.
          `wait_timeout = ${idleInTransactionSeconds}`,
          `max_execution_time = ${statementSeconds * 1_000}`,
          'range_optimizer_max_mem_size = 0',
          'information_schema_stats_expiry = 0',
          // From 9.6 on a table is no longer what EXPLAIN answers with by default.
          ...(isAtLeast(can.number, [8, 0, 32]) ? [`explain_format = 'TRADITIONAL'`] : []),
        ];
  return [
    'SET NAMES utf8mb4 COLLATE utf8mb4_general_ci',
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    `SET SESSION ${[...common, ...own].join(', ')}`,
  ];
}
