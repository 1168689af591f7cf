import { logLevels } from '../kit/log.js';

/**
 * Every option, once: the reader, `message-gc config` and docs/configuration.md are made from this table.
 * A new option needs a reason that no decision can take its place.
 */
export type Option = {
  readonly env: string;
  readonly default: string | null;
  readonly says: string;
  /** Never printed; `config` shows whether it is set. */
  readonly secret?: true;
  /** The words allowed, where the value is one of a few. */
  readonly choices?: readonly string[];
};

export const profiles = ['gentle', 'balanced', 'full'] as const;
export type Profile = (typeof profiles)[number];

export const options = {
  databaseUrl: {
    env: 'DATABASE_URL',
    default: null,
    says: 'Where the messages are: `postgres://user:password@host:port/database`, `mysql://user:password@host:port/database` (MariaDB and MySQL; several `host:port` with commas for a Galera cluster, of which one is used at a time) or `pglite:DIR` (embedded). Without it and without `WA_DB_ENGINE`, the embedded database in `MESSAGE_GC_DATA`.',
    secret: true,
  },
  dbEngine: {
    env: 'WA_DB_ENGINE',
    default: null,
    says: "The original's way to name the database, used when `DATABASE_URL` is not set. `PGSQL` or `MYSQL` (MariaDB too).",
    choices: ['PGSQL', 'MYSQL'],
  },
  dbHostname: {
    env: 'WA_DB_HOSTNAME',
    default: '127.0.0.1',
    says: 'Host of the database server, with `WA_DB_ENGINE`.',
  },
  dbPort: {
    env: 'WA_DB_PORT',
    default: null,
    says: 'Port of the database server, with `WA_DB_ENGINE`; without it 5432 or 3306.',
  },
  dbUsername: {
    env: 'WA_DB_USERNAME',
    default: null,
    says: 'User of the database, with `WA_DB_ENGINE`; without it `postgres` or `root`.',
  },
  dbPassword: {
    env: 'WA_DB_PASSWORD',
    default: '',
    says: 'Password of the database, with `WA_DB_ENGINE`.',
    secret: true,
  },
  dbNamePrefix: {
    env: 'WA_DB_NAME_PREFIX',
    default: '',
    says: 'With `WA_DB_ENGINE`: the database is `<prefix>message_gc`.',
  },
  dbSslCa: {
    env: 'WA_DB_SSL_CA',
    default: null,
    says: "With `WA_DB_ENGINE`: file with the certificate authority (PEM). The connection is then encrypted, and the server's certificate and host name are verified. With `DATABASE_URL` use its `sslmode` and `sslrootcert` (PostgreSQL) or `ssl-mode` and `ssl-ca` (MySQL).",
  },
  dbSslCert: {
    env: 'WA_DB_SSL_CERT',
    default: null,
    says: 'With `WA_DB_SSL_CA`: file with the certificate that this client shows (PEM).',
  },
  dbSslKey: {
    env: 'WA_DB_SSL_KEY',
    default: null,
    says: 'With `WA_DB_SSL_CERT`: file with its key (PEM).',
  },
  data: {
    env: 'MESSAGE_GC_DATA',
    default: './message-gc-data',
    says: 'Folder of the embedded database; its lock lies beside it as `<folder>.lock`.',
  },
  config: {
    env: 'MESSAGE_GC_CONFIG',
    default: 'message-gc.yaml',
    says: 'File with the store mapping: which table of yours is collected, and how. Without such a file, our own tables are; a file that is named here must be there.',
  },
  listen: {
    env: 'MESSAGE_GC_LISTEN',
    default: '127.0.0.1:9090',
    says: 'Address of the HTTP API, `host:port`; port 0 takes any free port, which the first log line names. Beyond loopback only once `admin` has a password of its own.',
  },
  controlListen: {
    env: 'MESSAGE_GC_CONTROL_LISTEN',
    default: '127.0.0.1:6252',
    says: "Address of a Coreapp's control port, where Webapps ask it for a run. A single instance opens none. Webapps dial this address; on all interfaces (`0.0.0.0:6252`) or with `COREAPP_HOSTNAME` the host name and this port. The port takes part in the node's name.",
  },
  multiconnect: {
    env: 'WA_APP_MULTICONNECT',
    default: '0',
    says: '`1`: Webapps and Coreapps are processes of their own; `serve` must then be told which with `--role`.',
    choices: ['0', '1'],
  },
  clusterSecret: {
    env: 'MESSAGE_GC_CLUSTER_SECRET',
    default: null,
    says: 'What the Webapps and Coreapps of one cluster share, at least 16 characters: it signs what they say to each other. Needed with `--role webapp` and `--role coreapp`.',
    secret: true,
  },
  summaryCallback: {
    env: 'MESSAGE_GC_SUMMARY_CALLBACK',
    default: '0',
    says: '`1`: when a run of several nodes is over, one callback more, without `node`, tells its total.',
    choices: ['0', '1'],
  },
  coreappHostname: {
    env: 'COREAPP_HOSTNAME',
    default: null,
    says: "Host name of this node in its node name, under which Webapps reach it, and in the words of a start failure; without it the machine's host name (`wacore` in the words).",
  },
  nodeId: {
    env: 'MESSAGE_GC_NODE_ID',
    default: null,
    says: '12 hex that name this node; without it the start of SHA-256 of `<host>:<control port>`.',
  },
  profile: {
    env: 'MESSAGE_GC_PROFILE',
    default: 'gentle',
    says: 'How fast a run may go. `gentle`: one worker, at rest half of the time (on MySQL and MariaDB seven tenths); `balanced`: one worker, at rest a fifth of the time; `full`: two workers, no rest.',
    choices: profiles,
  },
  signals: {
    env: 'MESSAGE_GC_SIGNALS',
    default: '',
    says: 'What is to be different from the profile for single signals, with commas: `canary=off`, `own_check=optional` (it may become unreadable without stopping the run), `replica_lag=30` (a limit in the unit of the signal).',
  },
  checkSql: {
    env: 'MESSAGE_GC_CHECK_SQL',
    default: null,
    says: 'A statement of your own that gives one number or truth value, asked once a second in a read-only transaction: a run stands still while it is at or above the limit of the signal `own_check`, which is 1 (true) unless `MESSAGE_GC_SIGNALS` says otherwise.',
  },
  replicas: {
    env: 'MESSAGE_GC_REPLICAS',
    default: null,
    says: 'Replicas of a MariaDB or MySQL server whose lag is watched: their addresses as in `DATABASE_URL`, with spaces between. PostgreSQL tells of its own.',
    secret: true,
  },
  stopFile: {
    env: 'MESSAGE_GC_STOP_FILE',
    default: 'message-gc.stop',
    says: 'While this file exists, no process that sees it begins a batch; looked at five times a second. A relative path begins at the working directory of the process.',
  },
  databaseCores: {
    env: 'MESSAGE_GC_DATABASE_CORES',
    default: null,
    says: 'How many cores the database machine has, for the signal `active_sessions`; without it the cores of this machine when the database is on it, otherwise 4.',
  },
  workers: {
    env: 'MESSAGE_GC_WORKERS',
    default: null,
    says: 'How many workers delete at the same time in this process, 1 to 16, instead of the number of the profile. Each takes a connection, and a core of the database where no row is waited for. The embedded database has one connection, and one worker.',
  },
  retention: {
    env: 'MESSAGE_GC_RETENTION',
    default: '0',
    says: 'How long a processed message is kept, as `30d`, `12h`, `45m`, `90s` or `0`. With 0 a receipt that arrives after its message was collected is refused by its foreign key; `1d` is recommended. Not with a store mapping, which states its own.',
  },
  adminPassword: {
    env: 'MESSAGE_GC_ADMIN_PASSWORD',
    default: null,
    says: 'First password of `admin`, for automation: used once, when `admin` still has the built-in one. At least 8 characters.',
    secret: true,
  },
  allowUsers: {
    env: 'MESSAGE_GC_ALLOW_USERS',
    default: '0',
    says: '`1`: any valid token may start, see and cancel a run; otherwise an admin token is needed.',
    choices: ['0', '1'],
  },
  requireHttps: {
    env: 'MESSAGE_GC_REQUIRE_HTTPS',
    default: '0',
    says: '`1`: a webhook URL must be `https://`; otherwise `http://` is accepted with a warning.',
    choices: ['0', '1'],
  },
  jwtKey: {
    env: 'WA_WEB_JWT_CRYPTO_KEY',
    default: null,
    says: 'Key that signs the tokens, at least 16 characters; without it one is made and kept in the database.',
    secret: true,
  },
  logLevel: {
    env: 'LOG_LEVEL',
    default: 'info',
    says: 'Least level of the log lines: `error` a person must act now, `warn` it healed itself or will, `info` milestones of runs, `debug` batches, `trace` steps inside a batch.',
    choices: logLevels,
  },
} as const satisfies Record<string, Option>;

/** `single`: Webapp and Coreapp in one process. */
export const roles = ['single', 'webapp', 'coreapp'] as const;
export type Role = (typeof roles)[number];

export type OptionName = keyof typeof options;
