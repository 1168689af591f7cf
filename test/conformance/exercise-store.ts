import { describe } from 'vitest';
import { clusterSentences } from './cluster-sentences.js';
import { endingSentences } from './ending-sentences.js';
import { homeSentences } from './home-sentences.js';
import { outboxSentences } from './outbox-sentences.js';
import { spanSentences } from './span-sentences.js';
import { startSentences } from './start-sentences.js';
import { sweepSentences } from './sweep-sentences.js';
import { wholeRunSentences } from './whole-run-sentences.js';
import type { MakeWorld, World } from './world.js';

/** Wraps a test, so that it has a world of its own which is closed whatever happens. */
export type InWorld = (test: (world: World) => Promise<void>) => () => Promise<void>;

/**
 * What every store does, in sentences: one suite for the reference in memory and for each database. Locks, snapshots
 * and lost commits are the engines' own tests; here is everything that can be seen with one caller after another or
 * with calls made at once.
 *
 * @param options.worlds How many random worlds the whole-run property tries; a database takes fewer than memory.
 */
export function exerciseStore(
  name: string,
  makeWorld: MakeWorld,
  options: { readonly worlds: number } = { worlds: 25 },
): void {
  const inWorld: InWorld = (test) => async () => {
    const world = await makeWorld();
    try {
      await test(world);
    } finally {
      await world.close();
    }
  };
  describe(`the ${name} store`, () => {
    describe('start', () => startSentences(inWorld));
    describe('spans', () => spanSentences(inWorld));
    describe('sweep', () => sweepSentences(inWorld));
    describe('ending', () => endingSentences(inWorld));
    describe('outbox', () => outboxSentences(inWorld));
    describe('cluster', () => clusterSentences(inWorld));
    describe('home', () => homeSentences(inWorld));
    describe('a whole run', () => wholeRunSentences(makeWorld, options.worlds));
  });
}
