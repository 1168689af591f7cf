import { jittered } from '../kit/backoff.js';
import type { Reason } from './reason.js';

/**
 * How hard a run may work when the database is well: the share of time that a worker is busy, and the number of
 * workers. The signals lower it (core/pressure.ts).
 */
export type Pace = {
  readonly name: 'gentle' | 'balanced' | 'full';
  /** Share of the time in batches, above 0 to 1. */
  readonly duty: number;
  readonly workers: number;
};

/** `gentle` leaves the application at least half of the time (see `dutyOn`); `full` is for windows in which nobody else works. */
export const paces = {
  gentle: { name: 'gentle', duty: 0.5, workers: 1 },
  balanced: { name: 'balanced', duty: 0.8, workers: 1 },
  full: { name: 'full', duty: 1, workers: 2 },
} as const satisfies Record<string, Pace>;
export type PaceName = Pace['name'];
export const paceNames = Object.keys(paces) as readonly PaceName[];

/** The share of its time that a worker may spend in batches: an engine can ask for more rest at `gentle` than the profile. */
export function dutyOn(pace: Pace, { gentleDuty }: { readonly gentleDuty: number }): number {
  return pace.name === 'gentle' ? Math.min(pace.duty, gentleDuty) : pace.duty;
}

/** The pace of the profile, with another number of workers where one is given. */
export function paceOf(config: { readonly profile: PaceName; readonly workers: number | null }): Pace {
  const pace = paces[config.profile];
  return config.workers === null ? pace : { ...pace, workers: config.workers };
}

/** What a run goes by where an operator has set another profile for it; a number of workers that was given stays. */
export function paceUnder(profile: PaceName | null, own: Pace): Pace {
  if (profile === null) return own;
  return hasOwnWorkers(own) ? { ...paces[profile], workers: own.workers } : paces[profile];
}

/** Of any profile: it can be changed while a run is on. */
export function mostWorkersOf(own: Pace): number {
  return hasOwnWorkers(own) ? own.workers : Math.max(...Object.values(paces).map(({ workers }) => workers));
}

function hasOwnWorkers(pace: Pace): boolean {
  return pace.workers !== paces[pace.name].workers;
}

/** A pause longer than this would look like a hang, and eat into the lease. Jitter comes on top. */
const longestRestMs = 5_000;

/** Milliseconds to rest after a batch of `batchMs`, so that work is `duty` of the time. Spread by ±20 %. */
export function restMs(batchMs: number, duty: number, random: () => number = Math.random): number {
  if (duty >= 1 || !(batchMs > 0)) return 0;
  if (!(duty > 0)) return jittered(longestRestMs, random);
  return jittered(Math.min(longestRestMs, (batchMs * (1 - duty)) / duty), random);
}

/** What the run view says while a worker rests. */
export function restingReason(duty: number, since: Date): Reason {
  return { code: 'resting', signal: 'duty', value: duty, limit: null, since: since.toISOString() };
}
