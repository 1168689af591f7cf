import { closestMatch } from 'leven';

/** Of the names that exist, the one that was probably meant, compared without case; null: none is near. */
export function nearestName(found: string, names: readonly string[]): string | null {
  if (names.includes(found)) return null;
  const small = found.toLowerCase();
  const bySmall = new Map(names.map((name) => [name.toLowerCase(), name]));
  const near = closestMatch(small, [...bySmall.keys()], {
    maxDistance: found.length < 4 ? 1 : Math.max(2, Math.floor(found.length / 3)),
  });
  // The beginning of a longer name, as in "created" for "created_at".
  const longer = small.length < 3 ? undefined : names.find((name) => name.toLowerCase().startsWith(small));
  return (near === undefined ? longer : bySmall.get(near)) ?? null;
}

/** `; did you mean "retention"?`, or nothing when no name is near. */
export function didYouMean(found: string, names: readonly string[]): string {
  const nearest = nearestName(found, names);
  return nearest === null ? '' : `; did you mean "${nearest}"?`;
}

/** The same as a sentence: ` Is "status" meant?` */
export function meantWords(found: string, names: readonly string[]): string {
  const nearest = nearestName(found, names);
  return nearest === null ? '' : ` Is "${nearest}" meant?`;
}
