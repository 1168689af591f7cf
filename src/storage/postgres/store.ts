import type { PoolClient } from 'pg';
import { StoreError } from '../../core/errors.js';
import type { Doctor, Finding, OwnTables, Store } from '../../core/ports.js';
import { nothingToWatch, type SignalSources } from '../../core/signals.js';
import { holdsOf } from '../ledger/holds.js';
import { homeOf } from '../ledger/home.js';
import { ledgerOf } from '../ledger/ledger.js';
import { outboxOf } from '../ledger/outbox.js';
import { sweepOf } from './batch.js';
import { boundsOf } from './bounds.js';
import { postgresDialect } from './dialect.js';
import { serverFindings } from './checks/server.js';
import { doctorFindings, obstacleFindings } from './doctor.js';
import { ownCounts } from './own-tables.js';
import { holdKeyOf } from './hold-key.js';
import { plannerOf } from './planner.js';
import { previewOf } from './preview.js';
import { prepareDatabase } from './prepare.js';
import { lockHolders, sharesOf } from './progress.js';
import { seedOwnTables } from './seed.js';
import { signalsOf } from './signals/watch.js';
import { asking, type Sessions } from './session.js';

/** PostgreSQL's default; what the server really has is read by `prepare`. */
const usualDeadlockTimeoutMs = 1_000;

/** How an engine that is this one with other means differs: PGlite's folder lock and its vacuum. */
export type Extras = {
  readonly note: Store['note'];
  readonly tidyUp: Store['tidyUp'];
};

const noExtras: Extras = { note: () => undefined, tidyUp: async () => undefined };

/** The PostgreSQL engine over sessions that connect when they are first used. */
export function postgresStore(sessions: Sessions, sources: SignalSources, extras: Extras = noExtras): Store {
  const dialect = postgresDialect(sessions);
  let deadlockTimeoutMs = usualDeadlockTimeoutMs;
  let server = '';
  const planner = plannerOf(sessions);
  return {
    ledger: ledgerOf({
      dialect,
      bounds: boundsOf(sessions),
      shares: sharesOf(sessions),
      lockHolders: (run) => lockHolders(sessions, run),
    }),
    sweep: sweepOf(sessions, () => deadlockTimeoutMs),
    planner,
    outbox: outboxOf(dialect, () => server),
    home: homeOf(dialect),
    holds: holdsOf(dialect, (mapping, values) => holdKeyOf(sessions, mapping, values)),
    ownTables: ownTablesOf(sessions),
    doctor: doctorOf(sessions),
    signals:
      sessions.engine === 'pglite'
        ? nothingToWatch("the embedded database has one session, which is the run's")
        : signalsOf(sessions, sources),
    preview: previewOf(sessions, planner),
    ...extras,
    async prepare(options) {
      const prepared = await prepareDatabase(sessions, dialect.db, options);
      deadlockTimeoutMs = prepared.deadlockTimeoutMs;
      server = prepared.server;
      return prepared;
    },
    async ping() {
      const startedAt = performance.now();
      await asking(sessions, sessions.control, 'reach the database', async (client) => {
        const { rows } = await client.query<{ on: string }>(
          `SELECT current_setting('transaction_read_only') AS on`,
        );
        if (rows[0]?.on === 'on') throw readOnly();
      });
      return performance.now() - startedAt;
    },
    async close() {
      await dialect.destroy();
      await sessions.close();
    },
  };
}

/** A standby, or `default_transaction_read_only`: it answers, and nothing can be collected through it. */
function readOnly(): StoreError {
  return new StoreError(
    'unreachable',
    '25006',
    'reach the database',
    'The database is read-only (a standby, or default_transaction_read_only is on)',
    undefined,
  );
}

function ownTablesOf(sessions: Sessions): OwnTables {
  return {
    seed: (options) =>
      asking(sessions, sessions.control, 'seed the tables', (client) => seedOwnTables(client, options)),
    counts: () => asking(sessions, sessions.control, 'count the messages', (client) => ownCounts(client)),
  };
}

/** Longer than any look at a catalogue takes, and than a sample may. */
const examinationMs = 4_000;

function doctorOf(sessions: Sessions): Doctor {
  const examining = (work: (client: PoolClient) => Promise<readonly Finding[]>) =>
    asking(sessions, sessions.control, 'examine the database', async (client) => {
      await client.query('BEGIN READ ONLY');
      try {
        if (sessions.hasTimeLimits) await client.query(`SET LOCAL statement_timeout = '${examinationMs}ms'`);
        return await work(client);
      } finally {
        await client.query('ROLLBACK');
      }
    });
  return {
    async findings(policy) {
      // Outside of a transaction: one of the checks is whether transactions stay in one session.
      const server = await asking(sessions, sessions.control, 'examine the server', serverFindings);
      return [...server, ...(await examining((client) => doctorFindings(client, policy)))];
    },
    obstacles: (policy) => examining((client) => obstacleFindings(client, policy)),
  };
}
