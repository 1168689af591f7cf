import type { Ledger } from '../../core/ports.js';
import { control, type Dialect } from './dialect.js';

/** T11: pause, resume, rate, profile. Every batch reads the run row, so it acts at the next batch of every node. */
export async function steerRun(
  dialect: Dialect,
  change: Parameters<Ledger['steer']>[0],
): Promise<string | null> {
  return control(dialect, 'steer the run', async (trx) => {
    const run = await trx.selectFrom('run').select('id').where('active', '=', 1).executeTakeFirst();
    if (run === undefined) return null;
    const steered = await trx
      .updateTable('run')
      .set((eb) => ({
        version: eb('version', '+', 1),
        ...(change.paused === undefined
          ? {}
          : { paused: change.paused, paused_by: change.paused ? change.by : null }),
        ...(change.maxRate === undefined ? {} : { max_rate: change.maxRate }),
        ...(change.profile === undefined ? {} : { profile: change.profile }),
      }))
      .where('id', '=', run.id)
      .where('active', '=', 1)
      .executeTakeFirstOrThrow();
    return steered.numUpdatedRows === 1n ? run.id : null;
  });
}
