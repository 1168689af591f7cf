import type { Watcher } from '../../signals/gather.js';
import { countersLike } from '../counters.js';
import { asking, type Sessions } from '../pool.js';
import type { Session } from '../session.js';
import { unlessDenied } from './privilege.js';

type Way = (session: Session) => Promise<number | null>;

/** MariaDB tells it to everybody. */
const ofStatus: Way = async (session) => {
  const told = await countersLike(session, 'Innodb_history_list_length');
  const length = told.get('innodb_history_list_length');
  return length === undefined ? null : Number(length);
};

/** Counts only while it is enabled, which it is unless somebody switched it off. */
const ofMetrics: Way = async (session) => {
  const enabled = session.can.engine === 'mariadb' ? 'ENABLED = 1' : `STATUS = 'enabled'`;
  const rows = await session.rows<{ length: number }>(
    `SELECT \`COUNT\` AS length FROM information_schema.INNODB_METRICS
     WHERE NAME = 'trx_rseg_history_len' AND ${enabled}`,
  );
  return rows[0] === undefined ? null : Number(rows[0].length);
};

const ofMonitor: Way = async (session) => {
  const rows = await session.rows<{ Status: string }>('SHOW ENGINE INNODB STATUS');
  const length = /History list length (\d+)/.exec(rows[0]?.Status ?? '')?.[1];
  return length === undefined ? null : Number(length);
};

/** Every later read of such rows has to pass through it: it must not grow without end. */
export function historyList(sessions: Sessions): Watcher {
  let way: Way = ofStatus;
  const length = (): Promise<number | null> =>
    asking(sessions.monitor, 'read the length of the history list', (session) => way(session));
  return {
    signal: 'history_list',
    probe: () =>
      unlessDenied('PROCESS', async () => {
        for (way of [ofStatus, ofMetrics, ofMonitor]) if ((await length()) !== null) return null;
        return 'the server does not tell the length of its history list';
      }),
    async read() {
      const value = await length();
      if (value === null) throw new Error('the server does not tell the length of its history list any more');
      return { value };
    },
  };
}
