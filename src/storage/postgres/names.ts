import pg from 'pg';
import type { TableName } from '../../core/mapping.js';

/** Quoted, always: mixed case and reserved words work, and a name is never SQL. */
export function quoted(name: string): string {
  return pg.escapeIdentifier(name);
}

/** A text as a literal, for messages of several statements, which take no parameters. */
export function textSql(value: string): string {
  return pg.escapeLiteral(value);
}

export function quotedTable(table: TableName): string {
  return table.schema === null ? quoted(table.name) : `${quoted(table.schema)}.${quoted(table.name)}`;
}

/** Names a statement of the sweep to whoever reads pg_stat_activity. */
export function comment(run: string, span: number): string {
  return `/* message-gc run=${run} span=${span} */`;
}
