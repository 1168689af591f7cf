import { own, textSql } from '../names.js';
import type { Session } from '../session.js';

/** Rows of processes that are long gone are taken away by the next one that begins. */
const oldAfter = 'INTERVAL 1 DAY';

/** The row `id` in the table of pulses, there to be written. */
export async function beginPulse(session: Session, id: string): Promise<void> {
  await session.write(`DELETE FROM ${own('pulse')} WHERE beat_at < UTC_TIMESTAMP(6) - ${oldAfter}`);
  await session.write(
    `INSERT INTO ${own('pulse')} (id, beat_at) VALUES (${textSql(id)}, UTC_TIMESTAMP(6))
     ON DUPLICATE KEY UPDATE beat_at = UTC_TIMESTAMP(6)`,
  );
}

/** One row written, by its key and in a transaction of its own. */
export async function beat(session: Session, id: string): Promise<void> {
  await session.write(`UPDATE ${own('pulse')} SET beat_at = UTC_TIMESTAMP(6) WHERE id = ${textSql(id)}`);
}

/** When it was last written, by the clock of the server that wrote it. */
export async function beatenAt(session: Session, id: string): Promise<string> {
  const rows = await session.rows<{ at: string }>(
    `SELECT CAST(beat_at AS CHAR) AS at FROM ${own('pulse')} WHERE id = ${textSql(id)}`,
  );
  if (rows[0] === undefined) throw new Error('the heartbeat row is gone');
  return rows[0].at;
}
