import { momentOf } from '../../core/age-moment.js';
import type { Mapping } from '../../core/mapping.js';
import { flatDependents, type FlatDependent } from '../checks/flat-dependents.js';

/** Dependents that a run deletes or clears itself, which are those that it counts. */
export function countedDependents(mapping: Mapping): readonly FlatDependent[] {
  return flatDependents(mapping).filter(
    ({ dependent }) => dependent.action === 'delete' || dependent.action === 'set_null',
  );
}

/** Columns of the message that its dependents refer to, and its key. */
export function referredColumns({ key, dependents }: Mapping): readonly string[] {
  return [...new Set([...key, ...dependents.flatMap(({ match }) => match.map(({ message }) => message))])];
}

/** An age that the server wrote as text: a time in UTC, or the number of an epoch. */
export function momentFrom({ age }: Mapping, text: unknown): string | null {
  if (typeof text !== 'string') return null;
  return age.unit.startsWith('epoch') ? momentOf(text, age.unit) : text;
}
