/**
 * The one family of errors. A message says what was attempted, what was found and what to do; `cause` is kept.
 * Expected outcomes (a lost lease, a lock in the way) are values, not errors.
 */

/** Why a process ends, and with which exit code (documented in docs/commands.md). */
export const exitCodes = {
  complete: 0,
  failed: 1,
  configuration: 2,
  refused: 3,
  unreachable: 4,
  cancelled: 5,
  paused: 75,
  displaced: 78,
} as const;
export type ExitReason = keyof typeof exitCodes;

/** Ends a command or a process with words for a person; `reason` chooses the exit code. */
export class Refusal extends Error {
  readonly reason: ExitReason;

  constructor(reason: ExitReason, words: string, options?: { readonly cause?: unknown }) {
    super(words, options);
    this.name = 'Refusal';
    this.reason = reason;
  }
}

/**
 * What the database answered, sorted by what follows from it:
 * - `unreachable`: no server, or it is starting, stopping or read-only. Wait as long as it lasts; uses no error budget.
 * - `conflict`: certainly rolled back because of other sessions (deadlock, lock time-out, serialization). Try again.
 * - `slow`: a statement met its time limit; certainly rolled back. Try again with less.
 * - `duplicate`: somebody else inserted first.
 * - `reference`: a foreign key refused our change: a dependent appeared. Try again.
 * - `denied`: a privilege is missing. Nothing changes by waiting.
 * - `credentials`: the server refused the user or the password.
 * - `untrusted`: its certificate is not to be trusted, or it speaks no TLS where TLS was asked for.
 * - `missing`: a table, column or database does not exist.
 * - `full`: no space left, on disk or in a quota.
 * - `unfit`: a table that cannot be collected exactly or gently (an engine without transactions, no index for the walk).
 * - `other`: anything else.
 */
export type StoreErrorKind =
  | 'unreachable'
  | 'conflict'
  | 'slow'
  | 'duplicate'
  | 'reference'
  | 'denied'
  | 'credentials'
  | 'untrusted'
  | 'missing'
  | 'full'
  | 'unfit'
  | 'other';

export class StoreError extends Error {
  readonly kind: StoreErrorKind;
  /** The server's or driver's own code (SQLSTATE, errno, ECONNREFUSED), for logs. */
  readonly nativeCode: string;
  /** What was being done, in a few words ("delete the messages of a range"). */
  readonly doing: string;

  constructor(kind: StoreErrorKind, nativeCode: string, doing: string, words: string, cause: unknown) {
    super(words, { cause });
    this.name = 'StoreError';
    this.kind = kind;
    this.nativeCode = nativeCode;
    this.doing = doing;
  }
}

/** The words of anything that was thrown, for a log line or an error body. Empty messages (AggregateError) are looked into. */
export function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(wordsOf))].join('; ');
  }
  if (error instanceof Error) return error.message === '' ? error.name : error.message;
  return String(error);
}
