import type { SlotBook } from '../../core/ports.js';
import { control, type Db, type Dialect, reading } from './dialect.js';

/**
 * Times as ISO 8601 in UTC with milliseconds: as texts of one length they sort as they follow one another, so that the
 * guard of a raise can compare them in any engine and collation.
 */
const names = { since: 'schedule_since', last: 'schedule_slot', warning: 'schedule_warning' } as const;

/** The schedule's memory, as rows of `setting`. */
export function slotsOf(dialect: Dialect): SlotBook {
  return {
    async read() {
      return reading(dialect, 'read the marks of the schedule', async (db) => {
        const ledger = await db
          .selectFrom('ledger')
          .select(['store_id', dialect.now().as('now')])
          .executeTakeFirstOrThrow();
        const rows = await db
          .selectFrom('setting')
          .selectAll()
          .where('name', 'in', Object.values(names))
          .execute();
        const value = (name: string): string | null => rows.find((row) => row.name === name)?.value ?? null;
        const time = (name: string): Date | null => {
          const text = value(name);
          return text === null ? null : new Date(text);
        };
        return {
          storeId: ledger.store_id,
          now: ledger.now,
          since: time(names.since),
          last: time(names.last),
          warning: value(names.warning),
        };
      });
    },
    async acted(slot, warning) {
      const value = slot.toISOString();
      await control(dialect, 'note the slot', async (trx) => {
        const isFirst = await dialect.insertUnlessThere(trx, 'setting', { name: names.last, value });
        const raised = await trx
          .updateTable('setting')
          .set({ value })
          .where('name', '=', names.last)
          .where('value', '<', value)
          .executeTakeFirstOrThrow();
        if (!isFirst && raised.numUpdatedRows === 0n) return;
        await trx.deleteFrom('setting').where('name', '=', names.warning).execute();
        if (warning !== null)
          await dialect.insertUnlessThere(trx, 'setting', { name: names.warning, value: warning });
      });
    },
  };
}

/** The schedule begins anew: what was acted on belongs to the one before. */
export async function beginSlotsAnew(dialect: Dialect, trx: Db): Promise<void> {
  const { now } = await trx.selectFrom('ledger').select(dialect.now().as('now')).executeTakeFirstOrThrow();
  await trx.deleteFrom('setting').where('name', 'in', [names.last, names.warning]).execute();
  const value = now.toISOString();
  await dialect.insertUnlessThere(trx, 'setting', { name: names.since, value });
  await trx.updateTable('setting').set({ value }).where('name', '=', names.since).execute();
}
