import { describe, expect, it } from 'vitest';
import { explore, numbersOf, wordsOf } from './explore.js';
import { type Kind, movesOf } from './moves.js';
import { rulesFor } from './rules.js';
import { type Scenario, scenarios } from './scenarios.js';

/** All that can happen in each small world, under one of the two semantics. */
export function exploreEveryScenario(kind: Kind): void {
  describe(`under ${kind}, no rule is broken in any state of`, () => {
    for (const [name, { initial, walk, messages, ends }] of Object.entries<Scenario>(scenarios)) {
      it(name, async ({ annotate }) => {
        const found = explore(initial, movesOf(kind, walk, null), rulesFor(messages));
        await annotate(numbersOf(found));
        expect(wordsOf(found)).toBe('exhausted');
        // The race happened: each side was first in some of the states.
        expect([...found.ends].sort()).toEqual([...ends].sort());
      });
    }
  });
}
