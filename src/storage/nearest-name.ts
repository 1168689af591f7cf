/** Of the names that exist, the one that was probably meant; null: none is near. */
export function nearestName(wanted: string, names: readonly string[]): string | null {
  let best: string | null = null;
  // Half of the letters may differ, as in "created" for "created_at"; more is another word.
  let least = Math.max(2, Math.ceil(wanted.length / 2)) + 1;
  for (const name of names) {
    const apart = distance(wanted.toLowerCase(), name.toLowerCase());
    if (apart < least) [best, least] = [name, apart];
  }
  return best;
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(wanted: string, names: readonly string[]): string {
  const nearest = nearestName(wanted, names);
  return nearest === null ? '' : `; did you mean "${nearest}"?`;
}

/** Letters to insert, leave out or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, place) => place);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      next.push(
        Math.min(
          (row[j] ?? 0) + (a.charAt(i) === b.charAt(j) ? 0 : 1),
          (row[j + 1] ?? 0) + 1,
          (next[j] ?? 0) + 1,
        ),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
