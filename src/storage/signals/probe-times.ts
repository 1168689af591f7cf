/** About four seconds of a probe five times a second: the nineteenth slowest of twenty is the 95th percentile. */
const kept = 20;

/**
 * How long the last probes took. A probe that hangs keeps those from being made that would have been next; an
 * application does not wait for its turn, so each of them counts with the time that it would have taken. A server
 * that freezes shows while it is frozen, and a freeze of a second is more than one slow probe.
 */
export class ProbeTimes {
  readonly #everyMs: number;
  #taken: readonly number[] = [];
  #askedAt: number | null = null;

  /** @param everyMs how far apart probes are asked when none hangs */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Milliseconds of any clock that only goes forward, here and below. */
  asked(at: number): void {
    this.#askedAt = at;
  }

  answered(at: number): void {
    if (this.#askedAt === null) return;
    this.#taken = this.#with(at - this.#askedAt);
    this.#askedAt = null;
  }

  /** It was neither answered nor slow: it could not be asked. */
  dropped(): void {
    this.#askedAt = null;
  }

  /** 95th percentile in milliseconds, with the one that hangs; null before anything was asked. */
  p95(at: number): number | null {
    const pending = this.#askedAt === null ? null : at - this.#askedAt;
    // One that is merely on its way says nothing yet.
    const isLate = pending !== null && pending > Math.min(this.#everyMs, percentile(this.#taken) ?? 0);
    const taken = isLate ? this.#with(pending) : this.#taken;
    return percentile(taken);
  }

  #with(ms: number): readonly number[] {
    const missed = Math.min(kept, Math.floor(Math.max(0, ms) / this.#everyMs));
    const added = Array.from({ length: missed + 1 }, (_, late) => Math.max(0, ms - late * this.#everyMs));
    return [...this.#taken, ...added].slice(-kept);
  }
}

/** 95th, by nearest rank; of fewer than twenty the second longest, so that one alone decides nothing. */
export function percentile(taken: readonly number[]): number | null {
  if (taken.length === 0) return null;
  const sorted = taken.toSorted((a, b) => a - b);
  const rank = Math.min(Math.ceil(0.95 * sorted.length), Math.max(1, sorted.length - 1));
  return sorted[rank - 1] ?? null;
}
