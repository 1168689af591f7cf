// Small sums over samples.

/** @param {readonly number[]} values */
export function median(values) {
  return quantile(values, 0.5);
}

/**
 * Linear between neighbours; NaN for no values.
 * @param {readonly number[]} values
 * @param {number} share 0 to 1
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** @param {readonly number[]} values */
export function spread(values) {
  return {
    n: values.length,
    p50: rounded(quantile(values, 0.5)),
    p90: rounded(quantile(values, 0.9)),
    p99: rounded(quantile(values, 0.99)),
    p999: rounded(quantile(values, 0.999)),
    max: rounded(values.reduce((most, value) => Math.max(most, value), 0)),
  };
}

/** @param {number} value @param {number} [digits] */
export function rounded(value, digits = 3) {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : value;
}
