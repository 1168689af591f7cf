import type { Clock } from '../kit/clock.js';
import type { Closed } from './gate.js';
import type { PaceName } from './pace.js';
import {
  type Reading,
  type SignalChoices,
  type SignalKind,
  type SignalName,
  type SignalProbe,
  type SignalRule,
  signalRules,
} from './signals.js';

/**
 * The pace that the signals leave a run:
 *
 *   load  = value / limit; of a steering signal smoothed (0.3 new, 0.7 old), so that one slow probe stops nothing, unless it
 *           is a level, of which an old value would only be late
 *   steer : 1 up to a load of 0.6, then falling in a line to 0.1 just below 1
 *   slow  : 0.5 from a load of 1
 *   stop  : 0 from a load of 1 (steering signals too), until it has been below 0.8 for 5 s; a level: until it is below 0.95
 *   lost  : 0 when a used signal was not read for 5 s, or never yet and the first look failed, unless it may be missing
 *   absent, off, or without a limit in this profile: 1
 *
 * The worst of them counts, and it is the reason.
 */
export interface Pressure {
  /** What can be watched at all; from here on a signal that stays silent is lost. */
  begin(probes: readonly SignalProbe[]): void;
  absorb(readings: readonly Reading[]): void;
  setProfile(profile: PaceName): void;
  /** Share of its usual work that the run may do, 0 to 1, and which signal says so; null: none does. */
  readonly now: { readonly duty: number; readonly because: Closed | null };
  readonly signals: readonly SignalView[];
}

/** A signal as an operator sees it. */
export type SignalView = {
  readonly signal: SignalName;
  /** `off`: by the operator or the profile; `absent`: cannot be watched here; `lost`: was watched and is silent. */
  readonly state: 'ok' | 'slowing' | 'stopping' | 'lost' | 'waiting' | 'absent' | 'off';
  readonly value: number | null;
  readonly limit: number | null;
  readonly unit: string;
  /** Why it is absent, or what stands with the value. */
  readonly detail: string | null;
};

const smoothing = 0.3;
/** Above 1 a steering signal stops the run; more than this says no more. */
const mostLoad = 4;
const calmLoad = 0.6;
const leastDuty = 0.1;
const slowDuty = 0.5;
const releaseLoad = 0.8;
const releaseMs = 5_000;
/** A level does not flap; and the server stops lowering InnoDB's log where it is well below the limit (decision 0058). */
const levelReleaseLoad = 0.95;
export const lostAfterMs = 5_000;
/** The canary's own figure before the first batch, so many times. */
const baselineFactor = 3;

type Watched = {
  readonly signal: SignalName;
  readonly since: number;
  reading: Extract<Reading, { readonly value: number }> | null;
  readAt: number | null;
  trouble: string | null;
  load: number | null;
  /** Standing still: the highest value meanwhile, and since when the load is low enough to go on. */
  stopped: { highest: number; calmSince: number | null } | null;
};

export function createPressure(clock: Clock, profile: PaceName, choices: SignalChoices): Pressure {
  let inUse = profile;
  let absent: readonly Extract<SignalProbe, { readonly state: 'absent' }>[] = [];
  const watched = new Map<SignalName, Watched>();

  const limitFor = (signal: SignalName, reading: Watched['reading']): number | null => {
    const choice = choices[signal];
    if (choice?.off === true) return null;
    const own = signalRules[signal].limits[inUse];
    if (own === null && choice?.limit === undefined) return null;
    const limit = choice?.limit ?? own ?? 0;
    const raised =
      reading?.baseline === undefined ? limit : Math.max(limit, baselineFactor * reading.baseline);
    return reading?.limit === undefined ? raised : Math.min(raised, reading.limit);
  };

  const absorbOne = (one: Watched, reading: Reading, now: number): void => {
    if ('trouble' in reading) {
      one.trouble = reading.trouble;
      return;
    }
    one.reading = reading;
    one.readAt = now;
    one.trouble = null;
    const limit = limitFor(one.signal, reading);
    if (limit === null) {
      one.load = null;
      one.stopped = null;
      return;
    }
    const load = limit > 0 ? reading.value / limit : Number(reading.value > 0);
    // One answer that came forty times too late must not count for a quarter of a minute.
    const raw = kindOf(one.signal) === 'steer' ? Math.min(mostLoad, load) : load;
    // The first look too: the server was as well as its own figure from before the first batch.
    const before =
      one.load ?? (reading.baseline === undefined || !(limit > 0) ? null : reading.baseline / limit);
    const isSmoothed = kindOf(one.signal) === 'steer' && !isLevel(one.signal) && before !== null;
    one.load = isSmoothed ? smoothing * raw + (1 - smoothing) * before : raw;
    holdOrRelease(one, now);
  };

  const verdict = (one: Watched, now: number): { duty: number; code: Closed['code'] } => {
    if (limitFor(one.signal, one.reading) === null) return { duty: 1, code: 'working' };
    const isUnread = one.readAt === null && one.trouble !== null;
    if (isUnread || now - (one.readAt ?? one.since) >= lostAfterMs) {
      return choices[one.signal]?.optional === true
        ? { duty: 1, code: 'working' }
        : { duty: 0, code: 'signal_lost' };
    }
    if (one.stopped !== null) return { duty: 0, code: 'stopped' };
    return { duty: dutyOf(kindOf(one.signal), one.load), code: 'slowed' };
  };

  return {
    begin(probes) {
      const now = clock.monotonicMs();
      watched.clear();
      absent = probes.filter((probe) => probe.state === 'absent');
      for (const { signal, state } of probes) {
        if (state === 'absent' || kindOf(signal) === 'yield') continue;
        watched.set(signal, {
          signal,
          since: now,
          reading: null,
          readAt: null,
          trouble: null,
          load: null,
          stopped: null,
        });
      }
    },
    absorb(readings) {
      const now = clock.monotonicMs();
      for (const reading of readings) {
        const one = watched.get(reading.signal);
        if (one !== undefined) absorbOne(one, reading, now);
      }
    },
    setProfile(next) {
      inUse = next;
    },
    get now() {
      const now = clock.monotonicMs();
      let worst: { duty: number; because: Closed | null } = { duty: 1, because: null };
      for (const one of watched.values()) {
        const { duty, code } = verdict(one, now);
        if (duty >= worst.duty) continue;
        // While it waits to go on, what stopped it is the reason; what the signal says now stands among the signals.
        const seen = one.stopped?.highest ?? one.reading?.value ?? null;
        const value = code === 'signal_lost' ? (one.trouble ?? 'no answer') : rounded(seen);
        worst = {
          duty,
          because: { code, signal: one.signal, value, limit: rounded(limitFor(one.signal, one.reading)) },
        };
      }
      return worst;
    },
    get signals() {
      const now = clock.monotonicMs();
      const seen = [...watched.values()].map((one): SignalView => {
        const limit = limitFor(one.signal, one.reading);
        return {
          signal: one.signal,
          state: stateOf(one, limit, verdict(one, now)),
          value: rounded(one.reading?.value ?? null),
          limit: rounded(limit),
          unit: signalRules[one.signal].unit,
          detail: one.trouble ?? one.reading?.detail ?? null,
        };
      });
      const missing = absent.map(({ signal, why }): SignalView => {
        const isOff = choices[signal]?.off === true;
        const { unit } = signalRules[signal];
        return {
          signal,
          state: isOff ? 'off' : 'absent',
          value: null,
          limit: null,
          unit,
          detail: isOff ? null : why,
        };
      });
      return [...seen, ...missing];
    },
  };
}

function holdOrRelease(one: Watched, now: number): void {
  const kind = kindOf(one.signal);
  if ((kind !== 'steer' && kind !== 'stop') || one.load === null) return;
  const value = one.reading?.value ?? 0;
  if (one.load >= 1) {
    one.stopped = { highest: Math.max(value, one.stopped?.highest ?? value), calmSince: null };
  } else if (one.stopped !== null && isLevel(one.signal)) {
    if (one.load < levelReleaseLoad) one.stopped = null;
  } else if (one.stopped !== null) {
    if (one.load >= releaseLoad) one.stopped.calmSince = null;
    else if (one.stopped.calmSince === null) one.stopped.calmSince = now;
    else if (now - one.stopped.calmSince >= releaseMs) one.stopped = null;
  }
}

function dutyOf(kind: SignalKind, load: number | null): number {
  if (load === null) return 1;
  if (kind === 'slow') return load >= 1 ? slowDuty : 1;
  if (kind !== 'steer' || load <= calmLoad) return 1;
  return Math.max(leastDuty, 1 - ((1 - leastDuty) * (load - calmLoad)) / (1 - calmLoad));
}

function stateOf(
  { readAt }: Watched,
  limit: number | null,
  { duty, code }: { readonly duty: number; readonly code: Closed['code'] },
): SignalView['state'] {
  if (limit === null) return 'off';
  if (code === 'signal_lost') return 'lost';
  if (readAt === null) return 'waiting';
  if (duty >= 1) return 'ok';
  return duty > 0 ? 'slowing' : 'stopping';
}

function kindOf(signal: SignalName): SignalKind {
  return (signalRules[signal] satisfies SignalRule).kind;
}

function isLevel(signal: SignalName): boolean {
  const rule: SignalRule = signalRules[signal];
  return rule.isLevel === true;
}

/** Four significant digits: more would be noise to read. */
function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(4));
}
