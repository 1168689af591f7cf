/** What a foreign key into a table that loses rows means for a run: the rules, the same for every engine. */
import { type Dependent, type Mapping, nameOf, type TableName } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { ok } from './finding.js';
import { flatDependents, isSameTable } from './flat-dependents.js';

export type OnDelete = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';

export type ForeignKey = {
  readonly name: string;
  /** As the mapping would name them: the schema is null where it is the default one. */
  readonly from: TableName;
  readonly into: TableName;
  readonly columns: readonly string[];
  readonly referenced: readonly string[];
  readonly onDelete: OnDelete;
  readonly nullable: boolean;
  /** The statement that makes the index which the key lacks; null: it has one. */
  readonly missingIndex: string | null;
  /** The statement that drops the key. */
  readonly dropSql: string;
};

const whyUnnamed =
  'A message that a row of another table refers to cannot be deleted before that row, and what a cascade takes along is counted by nobody.';

/** Of every foreign key into the tables of the mapping that lose rows. */
export function referenceFindings(mapping: Mapping, keys: readonly ForeignKey[]): readonly Finding[] {
  const findings = keys.flatMap((key) => ofKey(mapping, key));
  const add = (check: string, found: string, why: string): Finding[] =>
    findings.some((one) => one.check === check) ? [] : [ok(check, found, why)];
  return [
    ...findings,
    ...add('foreign_keys', 'Every foreign key into these tables belongs to a dependent.', whyUnnamed),
    ...add(
      'foreign_key_index',
      'Every foreign key into these tables has an index.',
      'The server looks for referring rows once for each deleted one.',
    ),
    ...add('self_reference', 'No message can take a younger one with it.', whySelf),
  ];
}

const whySelf =
  'A foreign key of the table into itself with ON DELETE CASCADE deletes every younger message that refers to an old one: a reply dies with what it quotes.';

function ofKey(mapping: Mapping, key: ForeignKey): readonly Finding[] {
  const dependent = named(mapping, key);
  const isSelf = isSameTable(key.from, key.into);
  const words = `${key.name} on ${nameOf(key.from)} (${key.columns.join(', ')}) into ${nameOf(key.into)}, ON DELETE ${key.onDelete.toUpperCase()}`;
  return [
    ...(isSelf && key.onDelete === 'cascade' && dependent?.action !== 'set_null'
      ? [selfReference(key, words)]
      : dependent === null
        ? [isGoneBefore(mapping, key) ? goneBefore(words) : unnamed(key, words)]
        : asNamed(key, dependent, words)),
    ...(key.missingIndex === null ? [] : [index(words, key.missingIndex)]),
  ];
}

function named(mapping: Mapping, key: ForeignKey): Dependent | null {
  const found = flatDependents(mapping).find(
    ({ dependent, parent }) =>
      isSameTable(dependent.table, key.from) &&
      isSameTable(parent, key.into) &&
      dependent.match.length === key.columns.length &&
      key.columns.every((column, place) =>
        dependent.match.some((pair) => pair.column === column && pair.message === key.referenced[place]),
      ),
  );
  return found?.dependent ?? null;
}

/** A refusing key between two dependents whose rows go by keys of their own: those of the one before the other. */
function isGoneBefore(mapping: Mapping, { from, into, onDelete }: ForeignKey): boolean {
  const refuses = onDelete === 'no action' || onDelete === 'restrict';
  const deletes = flatDependents(mapping).some(
    ({ dependent }) => dependent.action === 'delete' && isSameTable(dependent.table, from),
  );
  return refuses && deletes && !isSameTable(into, mapping.table) && !isSameTable(into, from);
}

function goneBefore(words: string): Finding {
  return {
    level: 'warning',
    check: 'foreign_keys',
    found: `${words}, is not named by the mapping, but rows of its table go by another key.`,
    why: 'A row that refers to a dependent and does not belong to the same message lets no batch with it commit.',
    todo: 'Name it below that dependent, where it belongs to it.',
  };
}

function selfReference(key: ForeignKey, words: string): Finding {
  return {
    level: 'error',
    check: 'self_reference',
    found: `${words}, is not named with the action set_null.`,
    why: whySelf,
    todo: `Add to the dependents of the mapping: ${entry(key, 'set_null')}`,
  };
}

function unnamed(key: ForeignKey, words: string): Finding {
  const isHarmless = key.onDelete === 'set null' || key.onDelete === 'set default';
  const action = isHarmless
    ? 'leave_to_fk'
    : key.nullable && isSameTable(key.from, key.into)
      ? 'set_null'
      : 'delete';
  return {
    level: isHarmless ? 'warning' : 'error',
    check: 'foreign_keys',
    found: `${words}, is not named by the mapping.`,
    why: isHarmless
      ? 'The server clears the reference by itself, uncounted; naming it says that this is meant, and lets messages go first where that is faster.'
      : whyUnnamed,
    todo: `Add to the dependents of the mapping: ${entry(key, action)}; or drop the foreign key: ${key.dropSql}`,
  };
}

/** As it stands in the mapping file. */
function entry({ from, columns, referenced }: ForeignKey, action: string): string {
  const match = columns.map((column, place) => `${column}: ${referenced[place] ?? ''}`).join(', ');
  return `{table: ${nameOf(from)}, match: {${match}}, action: ${action}}`;
}

function asNamed(key: ForeignKey, { action }: Dependent, words: string): readonly Finding[] {
  const check = 'dependent_action';
  const refuses = key.onDelete === 'no action' || key.onDelete === 'restrict';
  const fault = (level: 'error' | 'warning', what: string, why: string, todo: string): readonly Finding[] => [
    { level, check, found: `${words}, is named with the action ${action}: ${what}.`, why, todo },
  ];
  if (action === 'set_null' && !key.nullable) {
    return fault(
      'error',
      'its column is NOT NULL',
      'A reference that may not be empty cannot be cleared.',
      `Choose delete, or allow NULL in ${key.columns.join(', ')} of ${nameOf(key.from)}.`,
    );
  }
  if (action === 'keep' && key.onDelete !== 'set null' && key.onDelete !== 'set default') {
    return fault(
      'error',
      refuses ? 'the key does not let the message go' : 'the key deletes what is to be kept',
      'Rows are kept only where no foreign key objects.',
      `Choose another action, or drop the foreign key: ${key.dropSql}`,
    );
  }
  if (action === 'keep') {
    return fault(
      'warning',
      'the key clears the reference',
      'The row stays, but no longer tells which message it belonged to.',
      `Nothing, if that is meant; otherwise drop the foreign key: ${key.dropSql}`,
    );
  }
  if (action === 'leave_to_fk' && refuses) {
    return fault(
      'error',
      'the key does nothing but refuse',
      'Left to such a key, no message with a dependent can be deleted.',
      'Choose delete or set_null.',
    );
  }
  return [ok(check, `${words}, goes with the action ${action}.`, 'Action and foreign key must agree.')];
}

function index(words: string, statement: string): Finding {
  return {
    level: 'warning',
    check: 'foreign_key_index',
    found: `${words}, has no index.`,
    why: 'For each deleted row the server reads the whole referring table: 1,000 deletes took 962 ms instead of 60 ms with 9,000 referring rows, and it grows with them.',
    todo: statement,
  };
}
