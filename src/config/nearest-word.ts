import { closestMatch } from 'leven';

/** `; did you mean "retention"?`, or nothing when no word is near. */
export function didYouMean(found: string, words: readonly string[]): string {
  const nearest = words.includes(found)
    ? undefined
    : closestMatch(found.toLowerCase(), words, {
        maxDistance: found.length < 4 ? 1 : Math.max(2, Math.floor(found.length / 3)),
      });
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}
