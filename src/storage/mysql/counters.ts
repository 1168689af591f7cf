import type { Session } from './session.js';

/**
 * Counters of the server whose names match a LIKE pattern, by their names in small letters. Everybody is told them. The
 * large ones are beyond a number's exactness, so the values are text. (`active_sessions` asks for its own beside another
 * list, of the same moment.)
 */
export async function countersLike(session: Session, pattern: string): Promise<ReadonlyMap<string, string>> {
  const rows = await session.rows<{ Variable_name: string; Value: string }>(
    `SHOW GLOBAL STATUS LIKE '${pattern}'`,
  );
  return new Map(rows.map((row) => [row.Variable_name.toLowerCase(), row.Value]));
}
