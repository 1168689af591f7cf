import type { Mapping } from './mapping.js';
import { type Dialect, type Token, tokensOf } from './sql-tokens.js';

const known = new WeakMap<Mapping, boolean>();

/**
 * Whether a condition of the mapping asks more than the message's own row: a subquery, or a function that nobody here
 * knows and that may hold one. Its answer can change while nothing happens to the row.
 */
export function looksElsewhere(mapping: Mapping, dialect: Dialect): boolean {
  const answer =
    known.get(mapping) ??
    [mapping.processed, ...mapping.holds.map(({ where }) => where)].some((sql) => asksMore(sql, dialect));
  known.set(mapping, answer);
  return answer;
}

function asksMore(sql: string, dialect: Dialect): boolean {
  const tokens = tokensOf(sql, dialect);
  // What cannot be taken apart was refused when the mapping was read.
  if ('problem' in tokens) return true;
  return tokens.some((token, place) => isSubquery(token) || isUnknownCall(tokens, place));
}

const isSubquery = ({ kind, value }: Token): boolean =>
  kind === 'word' && (value === 'select' || value === 'table');

/** Words before a parenthesis that call nothing. */
const noCalls =
  'and or not xor in any all some case when then else is like ilike similar between on using as';
/** Functions that answer from their arguments alone. A name that is missing here costs a statement more for each batch. */
const pure =
  'coalesce nullif ifnull if isnull greatest least lower upper length char_length octet_length trim ltrim rtrim btrim ' +
  'substring substr left right replace concat position strpos starts_with split_part regexp_like regexp_replace regexp_match ' +
  'abs round floor ceil ceiling trunc mod sign power sqrt extract date_part date_trunc age to_timestamp to_date make_interval ' +
  'justify_interval date time timestamp timestampdiff timestampadd date_add date_sub datediff from_unixtime unix_timestamp ' +
  'year month day hour minute second cast convert int integer bigint numeric decimal varchar char text interval array row ' +
  'cardinality array_length jsonb_typeof json_typeof jsonb_extract_path jsonb_extract_path_text json_extract_path_text ' +
  'jsonb_array_length json_extract json_value json_unquote json_contains json_length json_valid';
const harmless = new Set(`${noCalls} ${pure}`.split(' '));

function isUnknownCall(tokens: readonly Token[], place: number): boolean {
  const token = tokens[place];
  if (tokens[place + 1]?.value !== '(' || token === undefined) return false;
  if (token.kind === 'quoted_name') return true;
  if (token.kind !== 'word') return false;
  // A schema before it: whose function that is, its name does not tell.
  return !harmless.has(token.value) || tokens[place - 1]?.value === '.';
}
