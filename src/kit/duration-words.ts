/** Seconds as a retention is written: `30d`, `12h`, `45m`, `90s`, `0`. */
export function durationWords(seconds: number): string {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return seconds === 0 ? '0' : `${seconds}s`;
}
