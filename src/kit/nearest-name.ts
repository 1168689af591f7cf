import { closestMatch } from 'leven';

/** Of the names that exist, the one that was probably meant, compared without case; null: none is near. */
export function nearestName(found: string, names: readonly string[]): string | null {
  if (names.includes(found)) return null;
  const small = found.toLowerCase();
  const bySmall = new Map(names.map((name) => [name.toLowerCase(), name]));
  // The beginning of a longer name, as in "sent" for "sent_at", is nearer than another word of its length.
  const longer = small.length < 3 ? undefined : names.find((name) => name.toLowerCase().startsWith(small));
  if (longer !== undefined) return longer;
  const near = closestMatch(small, [...bySmall.keys()], {
    maxDistance: found.length < 4 ? 1 : Math.max(2, Math.floor(found.length / 3)),
  });
  return near === undefined ? null : (bySmall.get(near) ?? null);
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
