import { volatileUse } from './predicate-words.js';
import { type Dialect, type Token, tokensOf } from './sql-tokens.js';

/**
 * What is wrong with a predicate of a mapping: it must be ONE balanced expression over the message (alias `m`), so
 * that parentheses around it hold it together inside a DELETE, and must answer the same however often it is asked.
 * Whether its tables and columns exist, the server says (doctor).
 *
 * @param rule.about `message`: it must depend on the message; `anything`: a hold may also be a switch for all.
 * @returns each problem in words that go on after "the predicate": empty when it is fit.
 */
export function predicateProblems(
  sql: string,
  rule: { readonly dialect: Dialect; readonly about: 'message' | 'anything' },
): readonly string[] {
  if (sql.trim() === '')
    return ["is empty; expected a condition over the message, such as m.status = 'done'"];
  const tokens = tokensOf(sql, rule.dialect);
  if ('problem' in tokens) return [`cannot be used: ${tokens.problem}`];
  const problems = [...bracketProblems(tokens), ...wordProblems(tokens, rule.dialect)];
  if (problems.length > 0 || rule.about === 'anything') return problems;
  if (isAlwaysTrue(tokens)) {
    return [
      'does not depend on the message, so it would take every message that is old enough; if that is meant, say so with everything: true beside it',
    ];
  }
  if (tokens.some((_, place) => isAlias(tokens, place))) {
    return [
      'gives the alias m to a table of its own, which hides the message; expected another alias there, as m is the message',
    ];
  }
  return namesMessage(tokens)
    ? []
    : ['names no column of the message; expected the alias m before each, such as m.status'];
}

const pairs: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

function bracketProblems(tokens: readonly Token[]): readonly string[] {
  const open: string[] = [];
  for (const { kind, value } of tokens) {
    if (kind !== 'symbol') continue;
    if (value === '(' || value === '[' || value === '{') open.push(value);
    const partner = pairs[value];
    // Also `true) OR (true`, which would leave the parentheses that are put around it.
    if (partner !== undefined && open.pop() !== partner)
      return [`closes with "${value}" what it did not open; expected one balanced expression`];
  }
  return open.length > 0
    ? [`does not close "${open[open.length - 1]}"; expected one balanced expression`]
    : [];
}

/** Words that begin or continue a statement: an expression has them only inside of parentheses, as a subquery. */
const statementParts = new Set(
  'select where union intersect except order group having limit offset fetch returning values'.split(' '),
);
/** Words that write, or that only statements which write have. */
const writing = new Set(
  'insert update delete merge replace truncate into drop alter create grant revoke copy call execute returning'.split(
    ' ',
  ),
);
/** The same words as names of functions that only compute. */
const harmlessFunctions = new Set(['replace', 'truncate', 'insert']);

function wordProblems(tokens: readonly Token[], dialect: Dialect): readonly string[] {
  const problems: string[] = [];
  let depth = 0;
  for (const [place, token] of tokens.entries()) {
    const { kind, value, text } = token;
    if (kind === 'symbol') {
      if (value === '(' || value === '[') depth += 1;
      if (value === ')' || value === ']') depth -= 1;
      if (value === ',' && depth === 0) problems.push('is a list; expected one expression, without a comma');
      continue;
    }
    if (kind === 'parameter' && value !== ':now')
      problems.push(
        `holds the parameter ${value}; the only one is :now (in small letters), the time of the horizon`,
      );
    const changing = volatileUse(tokens, place, dialect);
    if (changing !== null) problems.push(changing);
    const isColumn = tokens[place - 1]?.value === '.';
    if (kind !== 'word' || isColumn) continue;
    const next = tokens[place + 1];
    const isFunction = next?.value === '(' && harmlessFunctions.has(value);
    if (value === 'for' && /^(update|share|no|key)$/.test(next?.kind === 'word' ? next.value : ''))
      problems.push(`locks rows ("${text} ${next?.text}"); it may only read`);
    else if (value === 'lock' && next?.value === 'in')
      problems.push('locks rows ("LOCK IN"); it may only read');
    else if (writing.has(value) && !isFunction && !isAfterFor(tokens, place))
      problems.push(
        `holds "${text}", which writes; it may only read. (A column of that name: put it in quotes)`,
      );
    else if (depth === 0 && (statementParts.has(value) || (place === 0 && value === 'with')))
      problems.push(
        `holds "${text}" outside of parentheses; expected one expression, as it would stand after WHERE, and a subquery in parentheses`,
      );
  }
  return [...new Set(problems)];
}

/** The lock that `FOR UPDATE` and `FOR NO KEY UPDATE` ask for is told once. */
function isAfterFor(tokens: readonly Token[], place: number): boolean {
  const before = tokens.slice(Math.max(0, place - 3), place).map(({ value }) => value);
  return tokens[place]?.value === 'update' && /(?:^|\s)for(?: no key)?$/.test(before.join(' '));
}

/** Words of an expression that name nothing; what else is no function's name names a column. */
const namesNothing = new Set(
  (
    'true false null unknown and or not xor is in like ilike between exists any all some case when then else end select ' +
    'distinct from as cast interval date time timestamp timestamptz at zone with without int integer bigint text boolean ' +
    'second minute hour day week month year'
  ).split(' '),
);

/** Obviously so: no column in it, or one that is compared with itself, or OR with such a thing. */
function isAlwaysTrue(tokens: readonly Token[]): boolean {
  const inner = withoutOuterParentheses(tokens);
  const branches = splitAtOr(inner);
  if (branches.length > 1) return branches.some(isAlwaysTrue);
  if (!inner.some(isColumnName)) return true;
  const equals = inner.findIndex(({ value, kind }) => kind === 'symbol' && value === '=');
  const side = (part: readonly Token[]): string => part.map(({ value }) => value).join(' ');
  return equals > 0 && side(inner.slice(0, equals)) === side(inner.slice(equals + 1));
}

function isColumnName(token: Token, place: number, tokens: readonly Token[]): boolean {
  if (token.kind === 'quoted_name') return tokens[place + 1]?.value !== '(';
  return token.kind === 'word' && !namesNothing.has(token.value) && tokens[place + 1]?.value !== '(';
}

function splitAtOr(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const branches: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'symbol' && token.value === '(') depth += 1;
    if (token.kind === 'symbol' && token.value === ')') depth -= 1;
    if (depth === 0 && token.kind === 'word' && token.value === 'or') branches.push([]);
    else branches[branches.length - 1]?.push(token);
  }
  return branches;
}

function withoutOuterParentheses(tokens: readonly Token[]): readonly Token[] {
  if (tokens[0]?.text !== '(') return tokens;
  let depth = 0;
  for (const [place, { kind, value }] of tokens.entries()) {
    if (kind !== 'symbol') continue;
    if (value === '(') depth += 1;
    if (value === ')') depth -= 1;
    if (depth === 0)
      return place === tokens.length - 1 ? withoutOuterParentheses(tokens.slice(1, -1)) : tokens;
  }
  return tokens;
}

function namesMessage(tokens: readonly Token[]): boolean {
  return tokens.some(
    ({ kind, value }, place) =>
      (kind === 'word' || kind === 'quoted_name') &&
      value === 'm' &&
      tokens[place + 1]?.value === '.' &&
      tokens[place - 1]?.value !== '.',
  );
}

/** `FROM receipts m`, `JOIN a.b AS m`, `(SELECT …) m`: from there on `m.` is not the message. */
function isAlias(tokens: readonly Token[], place: number): boolean {
  const isNamed = (at: number): boolean => tokens[at]?.kind === 'word' || tokens[at]?.kind === 'quoted_name';
  if (!isNamed(place) || tokens[place]?.value !== 'm' || tokens[place + 1]?.value === '.') return false;
  let at = place - 1;
  if (tokens[at]?.value === 'as') at -= 1;
  if (tokens[at]?.value === ')') return true;
  if (!isNamed(at)) return false;
  while (tokens[at - 1]?.value === '.' && isNamed(at - 2)) at -= 2;
  return ['from', 'join', 'only', ','].includes(tokens[at - 1]?.value ?? '');
}
