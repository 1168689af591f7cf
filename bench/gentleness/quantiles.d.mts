export function histogramOf(times: readonly number[]): string;
export function together(...histograms: readonly string[]): string;
export function figuresOf(histogram: string): {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
};
