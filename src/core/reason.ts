/** Why the run does not go at full speed right now. `value` against `limit` in the unit of `signal`. */
export const reasonCodes = [
  'working',
  'starting',
  'resting',
  'rate_limited',
  'slowed',
  'stopped',
  'signal_lost',
  'waited_for',
  'stop_file',
  'outside_window',
  'rows_locked',
  'database_unreachable',
  'retrying',
  'paused',
  'other_policy',
  'looking',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];
export type Reason = {
  readonly code: ReasonCode;
  readonly signal: string | null;
  readonly value: number | string | null;
  readonly limit: number | string | null;
  /** ISO 8601. */
  readonly since: string;
};

/** What a reason means for whoever waits for the end of the run. */
export type ReasonKind = 'held_back' | 'slowed' | 'going_on';

const heldBack: ReadonlySet<ReasonCode> = new Set([
  'stopped',
  'signal_lost',
  'stop_file',
  'outside_window',
  'rows_locked',
  'database_unreachable',
  'retrying',
  'paused',
  'other_policy',
]);

/** `held_back`: nothing moves until something else happens. Resting and looking are work. */
export function reasonKind(code: ReasonCode): ReasonKind {
  if (heldBack.has(code)) return 'held_back';
  return code === 'slowed' || code === 'rate_limited' ? 'slowed' : 'going_on';
}
