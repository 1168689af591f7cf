import type { Mapping } from '../../core/mapping.js';
import { volatileUse } from '../../core/predicate-words.js';
import { type Dialect, tokensOf } from '../../core/sql-tokens.js';

/** A condition of a mapping: what it is called in findings, and its SQL. */
export type Condition = { readonly name: string; readonly sql: string };

export function conditionsOf({ processed, holds }: Mapping): readonly Condition[] {
  return [
    { name: 'processed', sql: processed },
    ...holds.map(({ name, where }) => ({ name: `hold "${name}"`, sql: where })),
  ];
}

/** What a condition says by its words alone, before the server is asked. */
export type ReadCondition = {
  /** Why it cannot be one expression: a comment, a semicolon, an open quote; null when nothing is seen. */
  readonly problem: string | null;
  /** Names that it calls as functions, in lower case. */
  readonly calls: readonly string[];
  /** What in it changes the answer by itself, or does more than answer. */
  readonly changing: readonly string[];
};

/** A mapping from the file was read in this way before; one that a program hands over was not. */
export function readCondition({ sql }: Condition, dialect: Dialect): ReadCondition {
  const tokens = tokensOf(sql, dialect);
  if ('problem' in tokens) return { problem: tokens.problem, calls: [], changing: [] };
  const calls = tokens.filter(
    ({ kind }, place) => (kind === 'word' || kind === 'quoted_name') && tokens[place + 1]?.value === '(',
  );
  const changing = tokens.map((_, place) => volatileUse(tokens, place, dialect));
  return {
    problem: null,
    calls: [...new Set(calls.map(({ value }) => value))],
    changing: [...new Set(changing.filter((words) => words !== null))],
  };
}
