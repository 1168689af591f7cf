import { Refusal } from '../../core/errors.js';
import type { HoldBook, HoldEntry } from '../../core/ports.js';
import { control, type Dialect, reading } from './dialect.js';

/** What the table's column holds. */
export const longestHold = 512;

/** The product's hold list: live data, read by every batch. */
export function holdsOf(dialect: Dialect, keyOf: HoldBook['keyOf']): HoldBook {
  return {
    keyOf,
    async add(entry, by) {
      refuseUnfit(entry);
      await control(dialect, 'write the hold', (trx) =>
        dialect.insertUnlessThere(trx, 'hold', {
          kind: entry.kind,
          value: entry.value,
          made_by: by,
          made_at: dialect.now(),
        }),
      );
      await waitForBatches(dialect);
    },
    async remove({ kind, value }) {
      const done = await control(dialect, 'remove the hold', (trx) =>
        trx.deleteFrom('hold').where('kind', '=', kind).where('value', '=', value).executeTakeFirstOrThrow(),
      );
      return done.numDeletedRows > 0n;
    },
    async list() {
      const rows = await reading(dialect, 'read the hold list', (db) =>
        db.selectFrom('hold').selectAll().orderBy('made_at').orderBy('kind').orderBy('value').execute(),
      );
      return rows.map(({ kind, value, made_by, made_at }) => ({ kind, value, by: made_by, at: made_at }));
    },
  };
}

export function refuseUnfit({ value }: HoldEntry): void {
  // As the databases count: a letter outside of the basic plane is one.
  const length = Array.from(value).length;
  if (length >= 1 && length <= longestHold && !value.includes('\0')) return;
  throw new Refusal(
    'configuration',
    `A hold names a key or a contact with 1 to ${longestHold} characters (no NUL); this has ${length}`,
  );
}

/**
 * Every batch holds its span's row from its first statement to its COMMIT, and reads the list after it has that lock.
 * So whoever has had the lock of each leased span once, after the hold was committed, knows that no batch is left
 * that did not see it. One after another, each in a transaction of its own, so that nobody waits for two.
 */
async function waitForBatches(dialect: Dialect): Promise<void> {
  const leased = await reading(dialect, 'see which batches are under way', (db) =>
    db
      .selectFrom('span')
      .innerJoin('run', 'run.id', 'span.run')
      .select(['span.run', 'span.no'])
      .where('run.active', '=', 1)
      .where('span.state', '=', 'leased')
      .execute(),
  );
  for (const { run, no } of leased) {
    await control(
      dialect,
      'wait for a batch to end (the hold is written, but one that began before may not have seen it: add it again)',
      (trx) =>
        trx.selectFrom('span').select('no').where('run', '=', run).where('no', '=', no).forUpdate().execute(),
      'replayable',
    );
  }
}
