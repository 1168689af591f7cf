import type { OwnTables, Store } from '../../core/ports.js';
import { holdsOf } from '../ledger/holds.js';
import { homeOf } from '../ledger/home.js';
import { ledgerOf } from '../ledger/ledger.js';
import { outboxOf } from '../ledger/outbox.js';
import { sweepOf } from './batch.js';
import { boundsOf } from './bounds.js';
import { mysqlDialect } from './dialect.js';
import { doctorFindings } from './doctor.js';
import { ownCounts } from './own-tables.js';
import { plannerOf } from './planner.js';
import { asking, type Sessions } from './pool.js';
import { prepareDatabase } from './prepare.js';
import { lockHolders, sharesOf } from './progress.js';
import { seedOwnTables } from './seed.js';

/** MariaDB and MySQL, over sessions that connect when they are first used. */
export function mysqlStore(sessions: Sessions): Store {
  const dialect = mysqlDialect(sessions);
  let server = '';
  return {
    ledger: ledgerOf({
      dialect,
      bounds: boundsOf(sessions),
      shares: sharesOf(sessions),
      lockHolders: (run) => lockHolders(sessions, run),
    }),
    sweep: sweepOf(sessions),
    planner: plannerOf(sessions),
    outbox: outboxOf(dialect, () => server),
    home: homeOf(dialect),
    holds: holdsOf(dialect),
    ownTables: ownTablesOf(sessions),
    async prepare(options) {
      const facts = await prepareDatabase(sessions, options);
      server = facts.server;
      return facts;
    },
    // InnoDB purges and keeps its statistics by itself.
    tidyUp: async () => undefined,
    note: () => undefined,
    async ping() {
      const startedAt = performance.now();
      await asking(sessions.control, 'reach the database', (session) => session.rows('SELECT 1'));
      return performance.now() - startedAt;
    },
    async close() {
      await dialect.destroy();
      await sessions.close();
    },
  };
}

function ownTablesOf(sessions: Sessions): OwnTables {
  return {
    seed: (options) =>
      asking(sessions.control, 'seed the tables', (session) => seedOwnTables(session, options)),
    counts: () => asking(sessions.control, 'count the messages', ownCounts),
    findings: () => asking(sessions.control, 'examine the database', (session) => doctorFindings(session)),
  };
}
