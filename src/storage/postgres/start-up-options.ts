import type { PoolClient } from 'pg';
import { Refusal } from '../../core/errors.js';

/** A frozen node must free its rows long before its lease is over, and an application must not wait for it. */
export const idleInTransactionMs = 2_000;

/**
 * What a condition's answer hangs on: under another time zone or style of dates a condition of the mapping may mean other
 * messages. `row_security = off` turns a policy that would hide rows from us into an error.
 */
const decisive = [
  { name: 'TimeZone', value: 'UTC', holds: (found: string) => utcNames.has(found.toUpperCase()) },
  { name: 'DateStyle', value: 'ISO', holds: (found: string) => found.startsWith('ISO') },
  { name: 'row_security', value: 'off', holds: (found: string) => found === 'off' },
  // Of the role or the database: backslashes in a text of a condition, and what `= NULL` means.
  { name: 'standard_conforming_strings', value: 'on', holds: (found: string) => found === 'on' },
  { name: 'transform_null_equals', value: 'off', holds: (found: string) => found === 'off' },
] as const;

/**
 * Not sent, because who asks for it needs a privilege: with `replica`, which a role may have for an import of long ago,
 * neither foreign keys nor triggers would do what they are there for.
 */
const own = {
  name: 'session_replication_role',
  value: 'origin',
  holds: (found: string) => found === 'origin',
} as const;

const utcNames = new Set(['UTC', 'ETC/UTC', 'GMT', 'ETC/GMT', 'Z', 'ZULU', 'ETC/ZULU', 'UCT', 'ETC/UCT']);

/**
 * Sent with the connection, because a SET would be lost behind a pooler in transaction mode. A compiled plan is thrown
 * away after one batch: compiling took 30 ms of a statement with EXISTS that ran for 50.
 */
export const startUpOptions = [
  ...decisive.map(({ name, value }) => `${name}=${value}`),
  'jit=off',
  `idle_in_transaction_session_timeout=${idleInTransactionMs}`,
  'tcp_keepalives_idle=10',
  'tcp_keepalives_interval=5',
  'tcp_keepalives_count=3',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/**
 * Whether they arrived: PgBouncer refuses options (see `optionsRefused`), and drops them without a word where
 * `ignore_startup_parameters` names them. Then the user itself must have them, which no pooler can take
 * away. (It tells new clients what it learned from its first session, hence the restart.)
 *
 * @throws Refusal that says which are others, and how to give them to the user
 */
export async function refuseLostOptions(client: PoolClient): Promise<void> {
  const asked = [...decisive, own];
  const columns = asked.map(({ name }, place) => `current_setting('${name}') AS "${place}"`);
  const { rows } = await client.query<Record<string, string> & { who: string }>(
    `SELECT ${columns.join(', ')}, quote_ident(current_user) AS who`,
  );
  const [found] = rows;
  if (found === undefined) throw new Error('The server answered its settings with no row');
  const lost = asked
    .map((setting, place) => ({ ...setting, found: found[place] ?? '' }))
    .filter((setting) => !setting.holds(setting.found));
  if (lost.length === 0) return;
  if (lost.some(({ name }) => name === own.name)) {
    throw new Refusal(
      'configuration',
      `${own.name} is replica in our sessions, which the user or the database gives them: foreign keys and triggers would not act. Take it away: ALTER ROLE ${found.who} RESET ${own.name} (or ALTER DATABASE … RESET ${own.name})`,
    );
  }
  const words = lost.map(({ name, value, found: other }) => `${name} is ${other} in place of ${value}`);
  throw new Refusal(
    'configuration',
    `The settings of our sessions did not arrive at the server: ${words.join(', ')}. A pooler in between drops them. ${remedyFor(found.who)}`,
  );
}

/** 08P01 from PgBouncer, which knows no options unless it is told to ignore them. */
export function optionsRefused(code: string, words: string): boolean {
  return code === '08P01' && /unsupported startup parameter/i.test(words);
}

/** @param who the user, quoted as SQL wants it */
export function remedyFor(who: string): string {
  const grants = decisive.map(({ name, value }) => `ALTER ROLE ${who} SET ${name} = '${value}'`);
  return `Connect past it; or let it ignore the parameter "options" and give the settings to the user, and then restart it: ${grants.join('; ')}`;
}
