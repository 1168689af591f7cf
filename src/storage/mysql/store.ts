import type { Doctor, Finding, OwnTables, Store } from '../../core/ports.js';
import type { SignalSources } from '../../core/signals.js';
import { holdsOf } from '../ledger/holds.js';
import { homeOf } from '../ledger/home.js';
import { ledgerOf } from '../ledger/ledger.js';
import { outboxOf } from '../ledger/outbox.js';
import { sweepOf } from './batch.js';
import { boundsOf } from './bounds.js';
import { mysqlDialect } from './dialect.js';
import { serverFindings } from './checks/server.js';
import { doctorFindings, obstacleFindings } from './doctor.js';
import { ownCounts } from './own-tables.js';
import { holdKeyOf } from './hold-key.js';
import { plannerOf } from './planner.js';
import { asking, type Sessions } from './pool.js';
import { previewOf } from './preview.js';
import { prepareDatabase } from './prepare.js';
import { readOnly } from './read-only.js';
import { lockHolders, sharesOf } from './progress.js';
import { Waiters } from './signals/waiters.js';
import { signalsOf } from './signals/watch.js';
import type { Session } from './session.js';
import { seedOwnTables } from './seed.js';

/** MariaDB and MySQL, over sessions that connect when they are first used. */
export function mysqlStore(sessions: Sessions, sources: SignalSources): Store {
  const dialect = mysqlDialect(sessions);
  let server = '';
  const planner = plannerOf(sessions);
  const waiters = new Waiters(sessions);
  return {
    ledger: ledgerOf({
      dialect,
      bounds: boundsOf(sessions),
      shares: sharesOf(sessions),
      lockHolders: (run) => lockHolders(sessions, run),
    }),
    sweep: sweepOf(sessions, waiters),
    planner,
    outbox: outboxOf(dialect, () => server),
    home: homeOf(dialect),
    holds: holdsOf(dialect, (mapping, values) => holdKeyOf(sessions, mapping, values)),
    ownTables: ownTablesOf(sessions),
    doctor: doctorOf(sessions),
    signals: signalsOf(sessions, sources, waiters),
    preview: previewOf(sessions, planner),
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
  };
}

function doctorOf(sessions: Sessions): Doctor {
  const examining = (work: (session: Session) => Promise<readonly Finding[]>) =>
    asking(sessions.control, 'examine the database', (session) => readOnly(session, () => work(session)));
  return {
    findings: (policy) =>
      examining(async (session) => [
        ...(await serverFindings(session)),
        ...(await doctorFindings(session, policy)),
      ]),
    obstacles: (policy) => examining((session) => obstacleFindings(session, policy)),
  };
}
