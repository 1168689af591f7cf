import type { Dialect, Token } from './sql-tokens.js';

/** Read the clock without parentheses. */
const clockWords = new Set(
  'current_timestamp current_date current_time localtime localtimestamp utc_timestamp utc_date utc_time'.split(
    ' ',
  ),
);
const clockFunctions = new Set([
  ...clockWords,
  ...'now clock_timestamp statement_timestamp transaction_timestamp timeofday sysdate curdate curtime'.split(
    ' ',
  ),
]);
const randomFunctions =
  /^(?:rand|random|random_normal|random_bytes|setseed|uuid|uuid_short|sys_guid|uuidv4|uuidv7|gen_random_\w+|uuid_generate_\w+)$/;
/** They do something, wait, or reach beyond the database; some run a text as SQL. */
const effects =
  /^(?:pg_sleep\w*|sleep|benchmark|nextval|setval|last_insert_id|get_lock|release_lock|release_all_locks|pg_(?:try_)?advisory_\w+|pg_terminate_backend|pg_cancel_backend|pg_notify|pg_reload_conf|set_config|lo_\w+|dblink\w*|load_file|pg_read_(?:binary_)?file|txid_current|pg_current_xact_id|(?:query|table|cursor|schema|database)_to_xml\w*)$/;

const advice = 'so it could say one thing when rows are chosen and another when they are deleted; use :now';

/**
 * Why the token at `place` makes the answer of a predicate change by itself, or does more than answer; null when it
 * does not.
 */
export function volatileUse(tokens: readonly Token[], place: number, dialect: Dialect): string | null {
  const token = tokens[place];
  if (token === undefined) return null;
  if (token.kind === 'text') return dialect === 'postgresql' ? clockText(token, tokens, place) : null;
  if (token.kind !== 'word' && token.kind !== 'quoted_name') return null;
  const { value, text } = token;
  const isCalled = tokens[place + 1]?.value === '(';
  const isColumn = tokens[place - 1]?.value === '.' || token.kind === 'quoted_name';
  if (!isCalled)
    return clockWords.has(value) && !isColumn ? `holds ${text}, which reads the clock, ${advice}` : null;
  if (clockFunctions.has(value)) return `holds ${text}(), which reads the clock, ${advice}`;
  const given = argumentsAt(tokens, place + 1);
  if (value === 'unix_timestamp' && given === 0)
    return `holds ${text}() without a time, which reads the clock, ${advice}`;
  if (value === 'age' && given === 1 && dialect === 'postgresql')
    return `holds ${text}() of one time, which reads the clock, ${advice}: age(:now, …)`;
  if (randomFunctions.test(value)) return `holds ${text}(), whose answer differs each time`;
  if (effects.test(value)) return `holds ${text}(), which does more than answer`;
  return null;
}

/** PostgreSQL reads these texts as times of the day on which they are read. */
function clockText({ value, text }: Token, tokens: readonly Token[], place: number): string | null {
  if (!/^\s*(?:now|today|tomorrow|yesterday)(?:\s+[\d:.+-]+(?:\s+\w+)?)?\s*$/i.test(value)) return null;
  const isText =
    tokens[place + 1]?.value === '::' && /^(?:text|varchar)$/.test(tokens[place + 2]?.value ?? '');
  return isText
    ? null
    : `holds ${text}, which PostgreSQL may read as a time of its clock, ${advice} (or write ${text}::text if it is a word)`;
}

/** How many arguments stand in the parentheses that open at `open`; parts of parts are not counted. */
function argumentsAt(tokens: readonly Token[], open: number): number {
  let depth = 0;
  let count = 0;
  for (const [offset, { kind, value }] of tokens.slice(open).entries()) {
    const isSymbol = kind === 'symbol';
    if (isSymbol && (value === '(' || value === '[')) depth += 1;
    if (isSymbol && (value === ')' || value === ']')) depth -= 1;
    if (depth === 0) break;
    if (offset > 0 && count === 0) count = 1;
    if (isSymbol && value === ',' && depth === 1) count += 1;
  }
  return count;
}
