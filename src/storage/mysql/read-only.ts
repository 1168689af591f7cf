import type { Session } from './session.js';

/** One snapshot in which the server refuses every write, also that of a function in somebody's condition. */
export async function readOnly<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.write('START TRANSACTION READ ONLY');
  try {
    return await work();
  } finally {
    if (!session.isBroken) await session.write('ROLLBACK');
  }
}
