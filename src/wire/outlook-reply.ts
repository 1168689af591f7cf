/** Forecast and keep-up as the API shows them. Figures are whole; null where nothing is known. */
import { type Forecast, forecast, workLeft } from '../core/forecast.js';
import type { KeepUp } from '../core/keep-up.js';
import type { Ahead } from '../core/outlook.js';

export type ForecastShape = {
  readonly fits: boolean | null;
  readonly ends_at: string | null;
  readonly windows: number | null;
};

export type KeepUpShape = {
  readonly eligible_rows_per_day: number | null;
  readonly capacity_rows_per_day: number | null;
  readonly keeps_up: boolean | null;
  readonly measured_seconds: number | null;
};

export function forecastShape({ fits, endsAt, windows }: Forecast): ForecastShape {
  return { fits, ends_at: endsAt?.toISOString() ?? null, windows };
}

/** Of a run that is on. */
export function runForecast(
  run: {
    readonly etaSeconds: number | null;
    readonly messagesDeleted: number;
    readonly share: number | null;
    readonly steering: { readonly maxRate: number | null };
  },
  { plan, now, usualSpeed: unlimited }: Ahead,
): ForecastShape {
  const { maxRate } = run.steering;
  const usualSpeed = unlimited === null || maxRate === null ? unlimited : Math.min(unlimited, maxRate);
  return forecastShape(forecast(workLeft({ ...run, usualSpeed }), plan, now));
}

export function keepUpShape({
  eligiblePerDay,
  capacityPerDay,
  keepsUp,
  measuredSeconds,
}: KeepUp): KeepUpShape {
  const whole = (figure: number | null): number | null => (figure === null ? null : Math.round(figure));
  return {
    eligible_rows_per_day: whole(eligiblePerDay),
    capacity_rows_per_day: whole(capacityPerDay),
    keeps_up: keepsUp,
    measured_seconds: whole(measuredSeconds),
  };
}
