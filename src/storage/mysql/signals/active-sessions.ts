import { availableParallelism } from 'node:os';
import type { Watcher } from '../../signals/gather.js';
import { asking, type Sessions } from '../pool.js';

/** Where nobody says how many: a small machine, so that a large one is spared rather than a small one pressed. */
const unknownCores = 4;

/** Threads of the server that serve nobody's statement, some of which it counts as running. */
const ofServer = [
  'Daemon',
  'Binlog Dump',
  'Binlog Dump GTID',
  'Slave_IO',
  'Slave_SQL',
  'Slave_worker',
  'Connect',
];

/** Sessions of others that run a statement at this moment, also one that waits for a lock. */
export function activeSessions(sessions: Sessions, cores: number | null): Watcher {
  const perCore = (): number => cores ?? (sessions.isLocal() ? availableParallelism() : unknownCores);
  const others = (): Promise<number> =>
    asking(sessions.monitor, 'count the active sessions', async (session) => {
      // Without PROCESS one's own user's threads are listed, and ours are among them. Statements of other nodes name
      // our tables or bear our comment.
      const [running, ours] = (await session.all([
        `SHOW GLOBAL STATUS LIKE 'Threads_running'`,
        `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE COMMAND <> 'Sleep'
           AND (ID IN (${[session.id, ...sessions.ids()].join(', ')}) OR COMMAND IN ('${ofServer.join("', '")}')
             OR INFO LIKE '%message\\_gc\\_%' OR INFO LIKE '/* message-gc run=%')`,
      ])) as readonly [readonly { readonly Value: string }[], readonly { readonly n: number }[]];
      return Math.max(0, Number(running[0]?.Value ?? 0) - Number(ours[0]?.n ?? 0));
    });
  return {
    signal: 'active_sessions',
    async probe() {
      await others();
      return null;
    },
    async read() {
      const found = await others();
      return { value: found / perCore(), detail: `${found} on ${perCore()} cores` };
    },
  };
}
