/** The doctor's look at what stands around the mapped tables: whose they are, and their triggers. */
import type { Finding } from '../../../core/ports.js';
import { ok } from '../../checks/finding.js';
import type { RealTable } from '../catalogue.js';
import { textSql } from '../names.js';
import { ownTablesState, readRecord } from '../own-tables.js';
import type { Session } from '../session.js';

export async function isOurs(session: Session): Promise<Finding> {
  const check = 'table_ours';
  const why =
    'On its own tables message-gc works without a mapping; on others it deletes and inserts nothing.';
  const there = await session.rows(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'message_gc_setting'`,
  );
  const record = there.length === 0 ? null : await readRecord(session);
  const state = await ownTablesState(session, record);
  if (state === 'ours') return ok(check, 'The messages table was made by message-gc.', why);
  if (state === 'absent') {
    const found = 'There is no messages table yet.';
    return { level: 'warning', check, found, why, todo: 'Create it: message-gc migrate' };
  }
  return {
    level: 'error',
    check,
    found:
      record === null
        ? 'There is a messages or message_receipts table that message-gc did not make.'
        : 'The messages or message_receipts table has another shape than the one that message-gc made.',
    why,
    todo: 'Name another database, or describe your table in a store mapping (message-gc init).',
  };
}

export async function triggers(session: Session, tables: readonly RealTable[]): Promise<Finding> {
  const check = 'triggers';
  const why = 'Triggers must run with the foreign-key checks on, so a run is slower.';
  const rows = await session.rows<{ words: string }>(
    `SELECT CONCAT('trigger ', TRIGGER_NAME, ' on ', EVENT_OBJECT_TABLE) AS words FROM information_schema.TRIGGERS
     WHERE EVENT_MANIPULATION <> 'INSERT' AND CONCAT(EVENT_OBJECT_SCHEMA, '/', EVENT_OBJECT_TABLE) IN (${
       tables.map(({ database, name }) => textSql(`${database}/${name}`)).join(', ') || 'NULL'
     }) ORDER BY words`,
  );
  if (rows.length === 0)
    return ok(check, 'There are no triggers on these tables that this user can see.', why);
  return {
    level: 'warning',
    check,
    found: `${rows.map(({ words }) => words).join('; ')}.`,
    why,
    todo: 'Nothing, if they are meant to run for every deleted row; otherwise drop them.',
  };
}

/** A trigger before a DELETE can refuse it; only its source knows for which rows. */
export async function keepers(session: Session, tables: readonly RealTable[]): Promise<Finding> {
  const check = 'trigger_keeps_rows';
  const why =
    'A BEFORE DELETE trigger can refuse a row by an error (SIGNAL), and with it the whole batch: the run would end failed.';
  const rows = await session.rows<{ words: string }>(
    `SELECT CONCAT('trigger ', TRIGGER_NAME, ' on ', EVENT_OBJECT_TABLE) AS words FROM information_schema.TRIGGERS
     WHERE EVENT_MANIPULATION = 'DELETE' AND ACTION_TIMING = 'BEFORE' AND CONCAT(EVENT_OBJECT_SCHEMA, '/', EVENT_OBJECT_TABLE) IN (${
       tables.map(({ database, name }) => textSql(`${database}/${name}`)).join(', ') || 'NULL'
     }) ORDER BY words`,
  );
  if (rows.length === 0) return ok(check, 'No trigger is seen that can keep a row from being deleted.', why);
  return {
    level: 'warning',
    check,
    found: `${rows.map(({ words }) => words).join('; ')} may refuse rows; that cannot be known from outside.`,
    why,
    todo: 'Read its source: it must let every message go that the mapping calls processed.',
  };
}
