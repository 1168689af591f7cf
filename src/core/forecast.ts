import { type Opening, openings, type WindowPlan } from './windows.js';

/** Whether a run fits into the window that is open, or else the next one. All null: it cannot be said. */
export type Forecast = {
  readonly fits: boolean | null;
  /** Null also when it would end more than ten weeks from now. */
  readonly endsAt: Date | null;
  /** Windows in which the run would work, from the one that is open, or else the next. Without windows 1. */
  readonly windows: number | null;
};

export const unknownForecast: Forecast = { fits: null, endsAt: null, windows: null };

/** A guess for later than that would be one about the speed of next season. */
const longestMs = 70 * 86_400_000;

/** @param workSeconds of work that the run still needs; null: unknown */
export function forecast(workSeconds: number | null, plan: WindowPlan, now: Date): Forecast {
  if (workSeconds === null || !Number.isFinite(workSeconds) || workSeconds < 0) return unknownForecast;
  const workMs = workSeconds * 1_000;
  const from = now.getTime();
  const until = from + longestMs;
  const ahead = plan.windows.length === 0 ? [{ start: from, end: until }] : openings(plan, from, until);
  return walk(workMs, from, ahead) ?? { fits: false, endsAt: null, windows: null };
}

function walk(workMs: number, from: number, ahead: readonly Opening[]): Forecast | null {
  let left = workMs;
  for (const [at, { start, end }] of ahead.entries()) {
    const begins = Math.max(start, from);
    if (left <= end - begins) return { fits: at === 0, endsAt: new Date(begins + left), windows: at + 1 };
    left -= end - begins;
  }
  return null;
}

/**
 * Seconds of work left in a run: as its own process reckons them, or else, where that is not known here, from what is
 * gone and the walked share, at the speed of earlier runs. Null: unknown.
 */
export function workLeft(run: {
  readonly etaSeconds: number | null;
  readonly messagesDeleted: number;
  readonly share: number | null;
  /** Messages a second; null: unknown. */
  readonly usualSpeed: number | null;
}): number | null {
  const { etaSeconds, messagesDeleted, share, usualSpeed } = run;
  if (etaSeconds !== null) return etaSeconds;
  if (share === null || usualSpeed === null || !(usualSpeed > 0)) return null;
  // Of the first hundredth nobody can tell how the rest will be, nor of what is left when all was walked once.
  if (share < 0.01 || share >= 1 || messagesDeleted === 0) return null;
  return (messagesDeleted * (1 - share)) / share / usualSpeed;
}
