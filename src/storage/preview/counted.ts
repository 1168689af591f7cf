import type { DependentCounts } from '../../core/run.js';

/** What a look at the table found of a policy; numbers of a sample are already scaled to the whole. */
export type Counted = {
  readonly messages: number;
  readonly held: Readonly<Record<string, number>>;
  readonly dependents: DependentCounts;
  /** UTC with microseconds. */
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly sample: readonly (readonly string[])[];
  readonly exact: boolean;
};

export const sampleKeys = 5;

export function earlier(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b < a) ? b : a;
}

export function later(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b > a) ? b : a;
}

export function scaled(counts: Readonly<Record<string, number>>, factor: number): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, Math.round(n * factor)]));
}

/** A random order, so that any beginning of it is a fair sample of the whole. */
export function shuffled(count: number): readonly number[] {
  const order = Array.from({ length: count }, (_, place) => place);
  for (let place = count - 1; place > 0; place -= 1) {
    const other = Math.floor(Math.random() * (place + 1));
    [order[place], order[other]] = [order[other] ?? 0, order[place] ?? 0];
  }
  return order;
}
