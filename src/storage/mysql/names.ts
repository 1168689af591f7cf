import { escape, escapeId } from 'mysql2';
import type { TableName } from '../../core/mapping.js';

/** Quoted, always: mixed case and reserved words work, and a name is never SQL. */
export function quoted(name: string): string {
  return escapeId(name, true);
}

export function quotedTable(table: TableName): string {
  return table.schema === null ? quoted(table.name) : `${quoted(table.schema)}.${quoted(table.name)}`;
}

/** A text as SQL. Sessions have no NO_BACKSLASH_ESCAPES and speak utf8mb4, which `escape` counts on. */
export function textSql(value: string): string {
  return escape(value);
}

/** Our own tables stand beside the messages, told apart by this prefix: a database is a schema here. */
export const ledgerPrefix = 'message_gc_';

/** A table of ours, quoted. */
export function own(table: string): string {
  return quoted(`${ledgerPrefix}${table}`);
}

/** Names a statement of the sweep to whoever reads the process list. */
export function comment(run: string, span: number): string {
  return `/* message-gc run=${run} span=${span} */`;
}
