import type { Move, State } from './state.js';
import { rowsOf, type View } from './rows.js';

/** A rule that a state breaks, in words; null when it keeps it. */
export type Rules = {
  /** Asked once for every content of the database. */
  readonly ofDb: (db: View) => string | null;
  readonly ofState: (state: State) => string | null;
  /** Asked for every commit: what may never change back. */
  readonly ofChange: (before: View, after: View) => string | null;
  /** Asked where nothing can happen any more. */
  readonly atRest: (state: State) => string | null;
};

export type Found = {
  readonly states: number;
  readonly moves: number;
  readonly ms: number;
  readonly isExhausted: boolean;
  /** How the world can be where nothing happens any more: the outcome of each run, and what was told. */
  readonly ends: ReadonlySet<string>;
  /** The shortest way to a broken rule, one step a line. */
  readonly fault: { readonly rule: string; readonly trace: readonly string[] } | null;
};

/** Breadth first, so that a counterexample is as short as one can be. */
export function explore(
  initial: State,
  movesOf: (state: State) => readonly Move[],
  rules: Rules,
  mostStates = 1_000_000,
): Found {
  const startedAt = performance.now();
  const names = new Names();
  const places = new Map<string, number>();
  const parents: number[] = [];
  const labels: string[] = [];
  const verdicts = new Map<number, string | null>();
  const changes = new Map<string, string | null>();
  const ends = new Set<string>();
  let frontier: State[] = [];
  let moves = 0;

  const found = (fault: Found['fault'], isExhausted: boolean): Found => ({
    states: places.size,
    moves,
    ms: performance.now() - startedAt,
    isExhausted,
    ends,
    fault,
  });
  const wayTo = (place: number): string[] => {
    const way: string[] = [];
    for (let at = place; at > 0; at = parents[at] ?? 0) way.unshift(labels[at] ?? '');
    return way;
  };
  const judge = (state: State): string | null => {
    const id = names.ofDb(state.db);
    let verdict = verdicts.get(id);
    if (verdict === undefined) {
      verdict = rules.ofDb(state.db);
      verdicts.set(id, verdict);
    }
    return verdict ?? rules.ofState(state);
  };
  const judgeChange = (before: View, after: View): string | null => {
    const name = `${names.ofDb(before)}>${names.ofDb(after)}`;
    let verdict = changes.get(name);
    if (verdict === undefined) {
      verdict = rules.ofChange(before, after);
      changes.set(name, verdict);
    }
    return verdict;
  };

  places.set(names.ofState(initial), 0);
  parents.push(0);
  labels.push('');
  frontier.push(initial);
  const first = judge(initial);
  if (first !== null) return found({ rule: first, trace: [] }, false);

  for (let place = 0; frontier.length > 0; ) {
    const next: State[] = [];
    for (const state of frontier) {
      const here = place;
      place += 1;
      const name = names.ofState(state);
      let isAtRest = true;
      for (const move of movesOf(state)) {
        moves += 1;
        const there = names.ofState(move.state);
        if (there !== name) isAtRest = false;
        if (move.state.db !== state.db) {
          const broken = judgeChange(state.db, move.state.db);
          if (broken !== null) return found({ rule: broken, trace: [...wayTo(here), move.label] }, false);
        }
        if (places.has(there)) continue;
        parents.push(here);
        labels.push(move.label);
        places.set(there, places.size);
        const broken = judge(move.state);
        if (broken !== null) return found({ rule: broken, trace: wayTo(places.size - 1) }, false);
        if (places.size >= mostStates) return found(null, false);
        next.push(move.state);
      }
      if (isAtRest) {
        ends.add(endOf(state.db));
        const broken = rules.atRest(state);
        if (broken !== null) return found({ rule: broken, trace: wayTo(here) }, false);
      }
    }
    frontier = next;
  }
  return found(null, true);
}

function endOf(db: View): string {
  const runs = rowsOf(db, 'run').map(
    ({ id, outcome, deleted }) => `${id} ${outcome ?? 'unfinished'} ${deleted}`,
  );
  return runs.sort().join(', ');
}

/** In words: why an exploration is not what a test wants, with the way to the fault; or "exhausted". */
export function wordsOf({ fault, isExhausted, states }: Found): string {
  if (fault !== null) return [`broken: ${fault.rule}`, ...fault.trace].join('\n  ');
  return isExhausted ? 'exhausted' : `stopped after ${states} states`;
}

export function numbersOf({ states, moves, ms }: Found): string {
  return `${states} states, ${moves} moves, ${Math.round(ms)} ms`;
}

/** Short names of equal content: a state becomes a few numbers, so that a million of them fit into memory. */
class Names {
  readonly #byText = new Map<string, number>();
  readonly #byObject = new WeakMap<object, number>();

  ofState({ db, actors, budget, received }: State): string {
    let name = `${this.ofDb(db)},${this.#of(budget)},${this.#of(received)}`;
    for (const actor of actors) name += `,${this.#of(actor)}`;
    return name;
  }

  ofDb(db: View): number {
    return this.#known(db, () =>
      [...db]
        .map(([key, row]) => `${key}=${this.#of(row)}`)
        .sort()
        .join(),
    );
  }

  #of(part: object): number {
    return this.#known(part, () => textOf(part));
  }

  #known(part: object, text: () => string): number {
    const known = this.#byObject.get(part);
    if (known !== undefined) return known;
    const canonical = text();
    let name = this.#byText.get(canonical);
    if (name === undefined) {
      name = this.#byText.size;
      this.#byText.set(canonical, name);
    }
    this.#byObject.set(part, name);
    return name;
  }
}

/** As JSON, with the names of an object's parts in their order. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  const parts = Object.entries(value).filter(([, part]) => part !== undefined);
  return `{${parts
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, part]) => `${name}:${textOf(part)}`)
    .join()}}`;
}
