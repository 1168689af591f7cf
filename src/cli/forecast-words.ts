import type { ForecastShape } from '../wire/outlook-reply.js';

/** Whether a run fits into the window: one line at most, none where it cannot be said. */
export function forecastWords(forecast: ForecastShape | null): readonly string[] {
  if (forecast === null || forecast.fits === null) return [];
  const { fits, ends_at: endsAt, windows } = forecast;
  if (endsAt === null || windows === null) return ['would take more than ten weeks of windows'];
  const minute = `${endsAt.slice(0, 16).replace('T', ' ')} UTC`;
  return [fits ? `would end about ${minute}` : `needs ${windows} windows, would end about ${minute}`];
}
