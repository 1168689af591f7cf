import type { Dependent, Mapping } from '../../core/mapping.js';
import type { Plan } from '../../core/run.js';

/** One dependent of the mapping, wherever it stands below the messages. */
export type Level = {
  /** Where it stands: `0`, `1`, and `1.0` for the first dependent of the second. */
  readonly place: string;
  readonly dependent: Dependent;
  /** The place of the dependent whose rows it goes with; null: it goes with the messages. */
  readonly above: string | null;
};

/** What the catalogue says of a dependent's table, frozen into the plan. */
export type LevelFacts = {
  readonly oid: string;
  /** Types of its columns, as the catalogue writes them. */
  readonly types: Readonly<Record<string, string>>;
  /** For `set_null`: the columns of the match that can be cleared. */
  readonly cleared: readonly string[];
  /** The messages table itself: a reply to a message. */
  readonly isSelf: boolean;
};

/** Every dependent, those above before those below. */
export function levelsOf({ dependents }: Mapping): readonly Level[] {
  const below = (list: readonly Dependent[], above: string | null): Level[] =>
    list.flatMap((dependent, index) => {
      const place = above === null ? String(index) : `${above}.${index}`;
      return [{ place, dependent, above }, ...below(dependent.dependents ?? [], place)];
    });
  return below(dependents, null);
}

/** The dependents right below a place; null: those of the messages. */
export function levelsBelow(mapping: Mapping, above: string | null): readonly Level[] {
  return levelsOf(mapping).filter((level) => level.above === above);
}

/** Whether rows of it are changed by us (`leave_to_fk` is the server's affair, `keep` nobody's). */
export function isOurs({ dependent: { action } }: Level): boolean {
  return action === 'delete' || action === 'set_null';
}

export function levelFacts(plan: Plan, { place, dependent }: Level): LevelFacts {
  const all = JSON.parse(plan.guards['levels'] ?? '{}') as Record<string, LevelFacts>;
  return (
    all[place] ?? { oid: '0', types: {}, cleared: dependent.match.map((pair) => pair.column), isSelf: false }
  );
}
