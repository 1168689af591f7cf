import { type Mapping, nameOf } from '../../core/mapping.js';
import type { DryRun } from '../../core/dry-run.js';
import type { DependentCounts, Plan } from '../../core/run.js';
import { type Counted, scaled } from './counted.js';
import { countedDependents } from './counted-dependents.js';

/** What an engine can count of one policy in one snapshot. A limit that ran out answers null. */
export type Counting = {
  readonly mapping: Mapping;
  /** Rows of the tables by name, as the statistics say. */
  readonly tables: ReadonlyMap<string, { readonly rows: number }>;
  messages(limitMs: number): Promise<Omit<Counted, 'dependents' | 'exact'> | null>;
  dependents(limitMs: number): Promise<DependentCounts | null>;
  sample(limitMs: number): Promise<Counted['sample'] | null>;
  /** From parts of the table, taken in random order. */
  slices(until: number, withDependents: boolean): Promise<Counted | null>;
  /** What the server's planner guesses. */
  guess(): Promise<number>;
};

/** Exact where there is time for it: three fifths of it for the messages, half of the rest for what goes with them. */
export async function countWithin(counting: Counting, until: number): Promise<Counted> {
  const left = (): number => until - performance.now();
  const messages = await counting.messages(left() * 0.6);
  if (messages === null) return (await inSlices(counting, until)) ?? guessed(counting);
  const dependents = await counting.dependents(left() * 0.5);
  const sample = (await counting.sample(left() * 0.3)) ?? [];
  if (dependents !== null) return { ...messages, sample, dependents, exact: true };
  const found = await inSlices(counting, until);
  return {
    ...messages,
    sample: sample.length > 0 ? sample : (found?.sample ?? []),
    dependents:
      found === null || found.messages === 0
        ? byStatistics(counting, messages.messages)
        : scaled(found.dependents, messages.messages / found.messages),
    exact: false,
  };
}

async function inSlices(counting: Counting, until: number): Promise<Counted | null> {
  if (countedDependents(counting.mapping).length === 0) return counting.slices(until, false);
  // Dependents that have no index make a slice too slow; the messages alone can still be counted.
  const now = performance.now();
  const found = await counting.slices(now + (until - now) * 0.6, true);
  if (found !== null) return found;
  const bare = await counting.slices(until, false);
  return bare && { ...bare, dependents: byStatistics(counting, bare.messages), exact: false };
}

/** As many for each message as the tables have on average. */
function byStatistics({ mapping, tables }: Counting, messages: number): DependentCounts {
  const rowsOf = (name: string): number => tables.get(name)?.rows ?? 0;
  const all = Math.max(1, rowsOf(nameOf(mapping.table)));
  return Object.fromEntries(
    countedDependents(mapping).map(({ dependent }) => {
      const name = nameOf(dependent.table);
      return [name, Math.round((rowsOf(name) / all) * messages)];
    }),
  );
}

/** Nothing could be counted in time. */
async function guessed(counting: Counting): Promise<Counted> {
  const messages = await counting.guess();
  return {
    messages,
    held: Object.fromEntries(counting.mapping.holds.map(({ name }) => [name, 0])),
    dependents: byStatistics(counting, messages),
    oldest: null,
    newest: null,
    sample: [],
    exact: false,
  };
}

export function dryRunFrom(
  counted: Counted,
  { walk, foreignKeys, why, horizon }: Plan,
  rest: Pick<DryRun, 'bytes' | 'logBytes' | 'missingIndex'>,
  rowsPerSecond: number,
): DryRun {
  const seconds = Math.ceil(counted.messages / Math.max(1, rowsPerSecond));
  return { ...counted, ...rest, seconds, walk, foreignKeys, why, horizon };
}
