import type { Clock } from '../kit/clock.js';

/**
 * How far a run is, how fast, and how long it will still take. The share is told (it comes from the spans in the
 * ledger) and never falls in what is shown; speed is that of the last ten seconds; the end is guessed from the speed
 * of the share, not of the rows: a stretch without victims is walked too.
 */
export interface Progress {
  /** Messages that a committed batch removed. */
  deleted(messages: number): void;
  /** Walked share of the run's range, 0 to 1; null while nothing is planned. */
  reached(share: number | null): void;
  /** From here on the run goes at another pace, or goes on: what it did before says nothing of its speed and its end. */
  paceChanged(): void;
  /** The greatest share told so far. */
  readonly share: number | null;
  readonly rowsPerSecond: number;
  /** Null while unknown: no plan, no progress within the window, or all is walked, and what is left nobody can say. */
  readonly etaSeconds: number | null;
}

/** Long enough to smooth rests and single batches, short enough to show a stall soon. */
const speedWindowMs = 10_000;
/** The share moves in steps (one per look at the ledger), so its speed needs a longer window. */
const shareWindowMs = 60_000;
/** Ten years. */
const longestEtaSeconds = 315_360_000;
/** Samples closer than this become one: at a thousand batches a second memory stays flat. */
const mergeMs = 250;

export function createProgress(clock: Clock): Progress {
  let startedAt = clock.monotonicMs();
  const speeds: { readonly at: number; messages: number }[] = [];
  const shares: { readonly at: number; readonly share: number }[] = [];
  let greatest: number | null = null;

  return {
    deleted(messages) {
      const now = clock.monotonicMs();
      const last = speeds.at(-1);
      if (last !== undefined && now - last.at < mergeMs) last.messages += messages;
      else speeds.push({ at: now, messages });
      dropBefore(speeds, now - speedWindowMs);
    },
    reached(share) {
      if (share === null || Number.isNaN(share)) return;
      greatest = Math.max(greatest ?? 0, Math.min(1, Math.max(0, share)));
      const now = clock.monotonicMs();
      const last = shares.at(-1);
      if (last === undefined || now - last.at >= mergeMs) shares.push({ at: now, share: greatest });
      dropBefore(shares, now - shareWindowMs);
    },
    paceChanged() {
      shares.length = 0;
      speeds.length = 0;
      startedAt = clock.monotonicMs();
    },
    get share() {
      return greatest;
    },
    get rowsPerSecond() {
      const now = clock.monotonicMs();
      dropBefore(speeds, now - speedWindowMs);
      // In the first second the divisor is a whole second: one batch after 5 ms is no speed yet.
      const seconds = Math.min(speedWindowMs, Math.max(1_000, now - startedAt)) / 1_000;
      return speeds.reduce((sum, sample) => sum + sample.messages, 0) / seconds;
    },
    get etaSeconds() {
      if (greatest === null || greatest >= 1) return null;
      const now = clock.monotonicMs();
      dropBefore(shares, now - shareWindowMs);
      const oldest = shares[0];
      if (oldest === undefined || now <= oldest.at || greatest <= oldest.share) return null;
      const seconds = ((1 - greatest) * (now - oldest.at)) / (greatest - oldest.share) / 1_000;
      // Progress too small to divide by is as good as none, and so is an end that nobody will see.
      return seconds < longestEtaSeconds ? seconds : null;
    },
  };
}

function dropBefore(samples: { readonly at: number }[], time: number): void {
  const first = samples.findIndex((sample) => sample.at > time);
  samples.splice(0, first === -1 ? samples.length : first);
}
