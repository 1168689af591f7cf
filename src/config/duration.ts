const unitSeconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** A hundred years; databases know no times before 4713 BC. */
export const longestRetentionSeconds = 36_500 * 86_400;

/** `30d`, `12h`, `45m`, `90s` or `0` in seconds; null when the text is none of these. A unit is never guessed. */
export function durationSeconds(text: string): number | null {
  if (text.trim() === '0') return 0;
  const parts = /^(\d{1,9})(s|m|h|d)$/.exec(text.trim());
  if (parts === null) return null;
  return Number(parts[1]) * unitSeconds[parts[2] as keyof typeof unitSeconds];
}
