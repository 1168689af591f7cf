/**
 * Takes a predicate apart into tokens, so that what is said about it is said about code, not about texts in quotes.
 * Whoever writes the mapping is trusted; what is looked for here is the mistake that would delete the wrong rows.
 */

export const dialects = ['postgresql', 'mysql'] as const;
/** How the SQL is read; MariaDB reads as MySQL does. */
export type Dialect = (typeof dialects)[number];

export type Token = {
  readonly kind: 'word' | 'quoted_name' | 'text' | 'number' | 'parameter' | 'symbol';
  /** As written. */
  readonly text: string;
  /** Words and quoted names in lower case and without quotes, texts without quotes, others as written. */
  readonly value: string;
};

/**
 * The tokens of a predicate, or the words of why there is no telling them.
 *
 * Whether a backslash escapes the character after it depends on a setting of the server (or of a session), so both
 * readings are made, and a predicate that they cut differently is refused.
 */
export function tokensOf(sql: string, dialect: Dialect): readonly Token[] | { readonly problem: string } {
  const plain = scan(sql, dialect, false);
  const escaped = scan(sql, dialect, true);
  if ('problem' in plain && 'problem' in escaped) return plain;
  if ('problem' in plain || 'problem' in escaped || textOf(plain) !== textOf(escaped)) {
    return {
      problem:
        'a backslash stands before a quote, which servers read in two ways; write a quote in a text as two quotes',
    };
  }
  return plain;
}

const textOf = (tokens: readonly Token[]): string => tokens.map(({ text }) => text).join('\u0000');

/** Only these are spaces to the servers; a no-break space is a letter to them. */
const space = /[ \t\n\r\f\v]+/y;
const word = /[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy;
const number = /0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const parameter = /:[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy;
const symbol = /::|:=|\|\||<=|>=|<>|!=|[\s\S]/uy;
const comment = { postgresql: /--|\/\*/y, mysql: /--|\/\*|#/y };
const quotedName = { postgresql: /(?:[uU]&)?"(?:[^"]|"")+"/y, mysql: /`(?:[^`]|``)+`/y };
const dollarQuote = /\$((?:[A-Za-z_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*)?)\$[\s\S]*?\$\1\$/uy;
const literal = {
  plain: {
    postgresql: /(?:[eE]'(?:[^'\\]|''|\\[\s\S])*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')/y,
    mysql: /[bBxXnN]?(?:'(?:[^']|'')*'|"(?:[^"]|"")*")/y,
  },
  escaped: {
    postgresql: /(?:[eEbBxXnN]|[uU]&)?'(?:[^'\\]|''|\\[\s\S])*'/y,
    mysql: /[bBxXnN]?(?:'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"\\]|""|\\[\s\S])*")/y,
  },
} as const;

/** What `:now` is replaced by is SQL of ours; inside of quotes it would stay a text, or break one. */
const nowInside = /(?<![:\w]):now\b/;

function scan(
  sql: string,
  dialect: Dialect,
  escapes: boolean,
): readonly Token[] | { readonly problem: string } {
  const tokens: Token[] = [];
  const forms = literal[escapes ? 'escaped' : 'plain'];
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const text = pattern.exec(sql)?.[0] ?? null;
    if (text !== null) at += text.length;
    return text;
  };
  while (at < sql.length) {
    if (take(space) !== null) continue;
    const start = at;
    if (take(comment[dialect]) !== null) {
      return { problem: `it holds a comment ("${excerpt(sql, start)}"); a comment belongs into the YAML` };
    }
    const text = take(forms[dialect]) ?? (dialect === 'postgresql' ? take(dollarQuote) : null);
    const name = text === null ? take(quotedName[dialect]) : null;
    const inside = text ?? name;
    if (inside !== null) {
      if (nowInside.test(inside))
        return { problem: `:now stands inside of quotes (${inside}); write it without` };
      tokens.push(
        name === null
          ? {
              kind: 'text',
              text: inside,
              value: textIn(inside),
            }
          : { kind: 'quoted_name', text: name, value: nameIn(name).toLowerCase() },
      );
      continue;
    }
    const bare = take(word);
    if (bare !== null) {
      tokens.push({ kind: 'word', text: bare, value: bare.toLowerCase() });
      continue;
    }
    const digits = take(number);
    if (digits !== null) {
      if (/^[\w$\u0080-\u{10ffff}]/u.test(sql.slice(at))) {
        return {
          problem: `"${excerpt(sql, start)}" is a number that runs into a name; put a space or quotes`,
        };
      }
      tokens.push({ kind: 'number', text: digits, value: digits });
      continue;
    }
    const two = sql.slice(at, at + 2);
    const named = two === '::' || two === ':=' ? null : take(parameter);
    if (named !== null) {
      if (start > 0 && /[:\w]/.test(sql.charAt(start - 1)))
        return { problem: `"${excerpt(sql, start - 1)}": put a space before the colon` };
      tokens.push({ kind: 'parameter', text: named, value: named });
      continue;
    }
    const sign = take(symbol) ?? '';
    const problem = unfit(sign, sql, start, dialect);
    if (problem !== null) return { problem };
    tokens.push({ kind: 'symbol', text: sign, value: sign });
  }
  return tokens;
}

function unfit(sign: string, sql: string, at: number, dialect: Dialect): string | null {
  const found = `"${excerpt(sql, at)}"`;
  if (sign === ';') return 'it holds a semicolon; one expression is expected, without an end';
  if (sign === '\u0000') return 'it holds a NUL character';
  if (sign === '`' && dialect === 'postgresql')
    return `${found}: PostgreSQL quotes names with double quotes, not with back-ticks`;
  if (/['"`]/.test(sign)) return `a quote is not closed, or there is nothing in it (${found})`;
  if (sign === '$')
    return dialect === 'postgresql' && !/^\$\d/.test(sql.slice(at))
      ? `a dollar quote is not closed (${found})`
      : `${found} is a parameter that nothing fills; the only one is :now`;
  if (dialect === 'mysql' && sign === '?')
    return `${found} is a parameter that nothing fills; the only one is :now`;
  if (dialect === 'mysql' && sign === '@') return `${found} reads a variable of the session`;
  if (sign === ':=') return `${found} assigns`;
  return null;
}

function textIn(quoted: string): string {
  const dollars = /^\$\w*\$/.exec(quoted)?.[0].length ?? 0;
  return dollars > 0 ? quoted.slice(dollars, -dollars) : quoted.replace(/^[^'"]*./, '').slice(0, -1);
}

function nameIn(quoted: string): string {
  return quoted.replace(/^[^"`]*./, '').slice(0, -1);
}

function excerpt(sql: string, at: number): string {
  const rest = sql.slice(at).trim();
  return rest.length > 24 ? `${rest.slice(0, 24)}…` : rest;
}
