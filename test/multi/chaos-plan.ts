/** What befalls a cluster in one round, drawn from a seed before the round begins, so that a seed replays it. */

/** Where in the run: the share of the eligible rows that is gone. The same place on slow and fast machines. */
type Place = { readonly share: number; readonly which: number };
export type Fault = Place &
  (
    | {
        readonly kind: 'kill coreapp' | 'kill webapp';
        /** Started again after so long; null: never. */
        readonly againMs: number | null;
        /** At the COMMIT of its next batch, whose answer it never sees. */
        readonly atCommit: boolean;
      }
    | { readonly kind: 'freeze'; readonly ms: number }
    | { readonly kind: 'cut'; readonly atCommit: boolean }
    | { readonly kind: 'cut off'; readonly ms: number }
    | { readonly kind: 'put' }
    | { readonly kind: 'crash server'; readonly downMs: number }
  );
export type FaultKind = Fault['kind'];

export type PlanWish = {
  readonly coreapps: number;
  readonly webapps: number;
  /** Freezes past the lease, more faults, more nodes that stay dead. */
  readonly long: boolean;
  readonly serverCrashes: boolean;
};

const last = 0.85;

export function planOf(seed: number, wish: PlanWish): readonly Fault[] {
  const random = generator(seed);
  const between = (low: number, high: number) => low + random() * (high - low);
  const below = (count: number) => Math.floor(random() * count);
  const place = (count: number): Place => ({ share: between(0.03, last), which: below(count) });
  const again = (never: number) => (random() < never ? null : between(0, 2_500));
  const make = (kind: FaultKind): Fault => {
    switch (kind) {
      case 'kill coreapp':
        // The short form starts every Coreapp again: the lease of a dead one is waited for, and that is 15 s and more.
        return {
          kind,
          ...place(wish.coreapps),
          againMs: again(wish.long ? 0.35 : 0),
          atCommit: random() < 0.5,
        };
      case 'kill webapp':
        return { kind, ...place(wish.webapps), againMs: again(0.3), atCommit: false };
      case 'freeze': {
        return { kind, ...place(wish.coreapps), ms: between(200, 3_000) };
      }
      case 'cut':
        return { kind, ...place(wish.coreapps + wish.webapps), atCommit: random() < 0.5 };
      case 'cut off':
        return { kind, ...place(wish.coreapps + wish.webapps), ms: between(300, 2_500) };
      case 'put':
        return { kind, ...place(wish.webapps) };
      case 'crash server':
        // Early: a node that waits for the server tries again less and less often, and the other faults want a run.
        return { kind, which: 0, share: between(0.05, 0.45), downMs: between(0, 2_000) };
    }
  };
  const kinds: FaultKind[] = [
    ...(['kill coreapp', 'kill coreapp', 'kill webapp', 'freeze', 'freeze'] as const),
    ...(['cut', 'cut', 'cut off', 'put', 'put', 'put'] as const),
  ];
  if (wish.long) {
    const more = ['kill coreapp', 'kill coreapp', 'kill webapp', 'freeze', 'cut', 'cut off', 'put'] as const;
    for (let left = 4 + below(6); left > 0; left -= 1) kinds.push(more[below(more.length)] ?? 'cut');
  }
  if (wish.serverCrashes) kinds.push('crash server', 'crash server');
  const faults = kinds.map(make);
  // The least lease is 15 s, and the long form wakes one node past it in every round, somewhere before the middle, so that
  // others take its span over. A second one is rare, and near the lease on either side: each costs the round so long.
  if (wish.long) {
    const sleeper = { kind: 'freeze', which: below(wish.coreapps) } as const;
    faults.push({ ...sleeper, share: between(0.1, 0.5), ms: between(18_000, 24_000) });
    if (random() < 0.2) faults.push({ ...sleeper, share: between(0.1, last), ms: between(14_000, 17_000) });
  }
  return faults.toSorted((a, b) => a.share - b.share);
}

/** One fault as a line of the log has it. */
export function wordsOf({ kind, share, which, ...how }: Fault): string {
  const rest = Object.entries(how).map(
    ([name, value]) => ` ${name}=${typeof value === 'number' ? Math.round(value) : value}`,
  );
  return `${Math.round(share * 100)} % ${kind} ${which}${rest.join('')}`;
}

/** A small seeded generator. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
