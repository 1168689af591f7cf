import { control, type Dialect } from './dialect.js';

/** T11: pause, resume, rate. Every batch reads the run row, so it acts at the next batch of every node. */
export async function steerRun(
  dialect: Dialect,
  change: { readonly paused?: boolean; readonly maxRate?: number | null; readonly by: string },
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
      }))
      .where('id', '=', run.id)
      .where('active', '=', 1)
      .executeTakeFirstOrThrow();
    return steered.numUpdatedRows === 1n ? run.id : null;
  });
}
