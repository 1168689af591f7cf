/** The existing name that a misspelt one most likely means; null when none is near. */
export function nearestName(wanted: string, names: readonly string[]): string | null {
  let best: { readonly name: string; readonly distance: number } | null = null;
  for (const name of names) {
    const distance = distanceOf(wanted.toLowerCase(), name.toLowerCase());
    if (best === null || distance < best.distance) best = { name, distance };
  }
  const small = wanted.toLowerCase();
  const longer = names.find((name) => small.length >= 3 && name.toLowerCase().startsWith(small));
  const isNear = best !== null && best.distance <= Math.max(1, Math.floor(wanted.length / 3));
  return isNear ? (best?.name ?? null) : (longer ?? null);
}

/** Letters to insert, delete or change to make one of the other. */
function distanceOf(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, place) => place);
  for (let row = 1; row <= a.length; row += 1) {
    const now = [row];
    for (let place = 1; place <= b.length; place += 1) {
      const changed = (before[place - 1] ?? 0) + (a[row - 1] === b[place - 1] ? 0 : 1);
      now.push(Math.min(changed, (before[place] ?? 0) + 1, (now[place - 1] ?? 0) + 1));
    }
    before = now;
  }
  return before[b.length] ?? 0;
}

/** ` Is "status" meant?`, or nothing. */
export function meantWords(wanted: string, names: readonly string[]): string {
  const near = nearestName(wanted, names);
  return near === null ? '' : ` Is "${near}" meant?`;
}
