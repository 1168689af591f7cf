import type { Mapping } from '../../core/mapping.js';

/** A condition of a mapping: what it is called in findings, and its SQL. */
export type Condition = { readonly name: string; readonly sql: string };

export function conditionsOf({ processed, holds }: Mapping): readonly Condition[] {
  return [
    { name: 'processed', sql: processed },
    ...holds.map(({ name, where }) => ({ name: `hold "${name}"`, sql: where })),
  ];
}

/**
 * Names that a condition calls as functions, and all its bare words, in lower case. Texts, quoted names and comments
 * are no part of it.
 */
export function wordsOfSql(sql: string): {
  readonly calls: readonly string[];
  readonly words: readonly string[];
} {
  const bare = sql
    .replaceAll(/'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`/g, ' ')
    .replaceAll(/--.*$|\/\*[\s\S]*?\*\//gm, ' ')
    .toLowerCase();
  const calls = [...bare.matchAll(/([a-z_][\w$]*)\s*\(/g)].map((match) => match[1] ?? '');
  // A column is named by its table (`m.localtime`); a function of that name is not.
  const words = [...bare.matchAll(/(?<![\w.:$])[a-z_][\w$]*/g)].map((match) => match[0]);
  return { calls: [...new Set(calls)], words: [...new Set(words)] };
}

/** `:now` as the driver must not see it: a constant that has the type which the age gives it. */
export function withoutNow(sql: string, constant: string): string {
  return sql.replaceAll(/(?<![:\w]):now\b/g, () => constant);
}
