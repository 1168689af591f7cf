import { Refusal, StoreError, type StoreErrorKind, wordsOf } from '../../core/errors.js';
import { isUntrusted } from '../untrusted.js';

/**
 * What each SQLSTATE and socket error means for us: the only table of retryability for PostgreSQL.
 * Longer codes win over classes (two characters).
 */
const kinds: Readonly<Record<string, StoreErrorKind>> = {
  '08': 'unreachable',
  '57P01': 'unreachable', // admin_shutdown
  '57P02': 'unreachable', // crash_shutdown
  '57P03': 'unreachable', // cannot_connect_now: starting, recovering
  '57P05': 'unreachable', // idle_session_timeout
  '25006': 'unreachable', // read-only: failed over to a standby
  '53300': 'unreachable', // too many connections
  '25P03': 'conflict', // idle in transaction: the server ended our session and rolled it back
  '40': 'conflict', // serialization, deadlock, rollback
  '55P03': 'conflict', // lock_timeout, NOWAIT
  '57014': 'slow', // statement_timeout, or cancelled by an administrator
  '23505': 'duplicate',
  '23503': 'reference',
  '42501': 'denied',
  '28': 'credentials',
  '3D000': 'missing',
  '3F000': 'missing',
  '42P01': 'missing',
  '42703': 'missing',
  '42883': 'unfit', // no such function or operator: a predicate that does not fit its columns
  '42804': 'unfit', // types that do not match
  '42601': 'unfit', // syntax
  '53100': 'full', // disk full
  '53400': 'full',
  '58030': 'full', // I/O error: most often no space in pg_wal or a temporary file
};

const socketErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENOENT', // no Unix socket there
]);

/** What the driver says without a code when a connection is gone or does not answer. */
const lostWords =
  /connection terminated|connection ended|timeout exceeded when trying to connect|query read timeout|connection timeout|client has encountered a connection error|server closed the connection|not queryable|connection error/i;

export function kindOf(error: unknown): { readonly kind: StoreErrorKind; readonly code: string } {
  if (error instanceof StoreError) return { kind: error.kind, code: error.nativeCode };
  if (error instanceof AggregateError && error.errors.length > 0) return kindOf(error.errors[0]);
  const code = codeOf(error);
  const known = kinds[code] ?? kinds[code.slice(0, 2)];
  if (known !== undefined && /^[0-9A-Z]{5}$/.test(code)) return { kind: known, code };
  if (socketErrors.has(code) || lostWords.test(wordsOf(error))) {
    return { kind: 'unreachable', code: code === '' ? 'LOST' : code };
  }
  if (isUntrusted(code, wordsOf(error))) return { kind: 'untrusted', code: code === '' ? 'TLS' : code };
  return { kind: 'other', code };
}

function codeOf(error: unknown): string {
  if (error !== null && typeof error === 'object' && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return '';
}

/**
 * Translated once, here; words and cause are kept. A Refusal (the embedded folder belongs to another process) is
 * thrown on: it has its words already, and waiting does not mend it.
 */
export function translate(error: unknown, doing: string): StoreError {
  if (error instanceof Refusal) throw error;
  if (error instanceof StoreError) return error;
  const { kind, code } = kindOf(error);
  return new StoreError(kind, code, doing, wordsOf(error), error);
}
