import { quoted } from './names.js';

/**
 * A mapping's predicate speaks of the message as `m`. The form of DELETE that can return the keys of what it deleted
 * allows no alias on servers in use, so `m.` is replaced by the table's name where that is certainly the same: a
 * predicate without comments, in whose subqueries nothing has the table's name (which could mean another row of it)
 * or the alias. Null: not certain; the caller locks the rows by a SELECT first.
 */
export function withoutAlias(predicate: string, table: string): string | null {
  const token =
    /('(?:[^'\\]|''|\\.)*')|("(?:[^"\\]|""|\\.)*")|(--|#|\/\*)|(`(?:[^`]|``)*`)|([\p{L}\p{N}_$@]+)|(\s+)|(.)/gsu;
  let text = '';
  let isAfterDot = false;
  let isAliasOpen = false;
  for (const match of predicate.matchAll(token)) {
    const [all, single, double, comment, quotedName, word, space] = match;
    // Double quotes are a text or a name, by a setting of the server.
    if (comment !== undefined || double !== undefined) return null;
    if (isAliasOpen && all !== '.') return null;
    isAliasOpen = false;
    if (word !== undefined && /^(with|table|values)$/i.test(word)) return null;
    const isName = word !== undefined || quotedName !== undefined;
    const name = quotedName?.slice(1, -1).replaceAll('``', '`') ?? word ?? '';
    if (isName && name.toLowerCase() === table.toLowerCase()) return null;
    if (isName && !isAfterDot && name.toLowerCase() === 'm') {
      if (name !== 'm') return null;
      text += quoted(table);
      isAliasOpen = true;
    } else text += all;
    if (space === undefined) isAfterDot = all === '.' && single === undefined;
  }
  return isAliasOpen ? null : text;
}
