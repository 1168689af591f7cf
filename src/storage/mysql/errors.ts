import { StoreError, type StoreErrorKind, wordsOf } from '../../core/errors.js';
import { isUntrusted } from '../untrusted.js';

/**
 * What each error number of the server means for us: the only table of retryability for the MySQL family.
 * Numbers from 1900 to 2000 and from 4000 are MariaDB's, from 3000 to 4000 MySQL's.
 */
const kinds: Readonly<Record<number, StoreErrorKind>> = {
  1040: 'unreachable', // too many connections
  1047: 'unreachable', // wsrep: this node of the cluster is not ready
  1053: 'unreachable', // shutdown in progress
  1129: 'unreachable', // host blocked after too many broken connections
  1158: 'unreachable',
  1159: 'unreachable',
  1160: 'unreachable',
  1161: 'unreachable',
  1203: 'unreachable', // max_user_connections
  1226: 'unreachable', // a quota of the user's
  1290: 'unreachable', // --read-only: failed over to a replica
  1792: 'unreachable', // read-only transaction
  1836: 'unreachable', // read-only mode
  1927: 'unreachable', // connection killed
  3032: 'unreachable', // offline mode
  4031: 'unreachable', // disconnected because it was idle
  2002: 'unreachable',
  2003: 'unreachable',
  2006: 'unreachable',
  2013: 'unreachable',
  1020: 'conflict', // row changed since it was read
  1180: 'conflict', // error during COMMIT: rolled back
  1205: 'conflict', // lock wait time-out; undoes the statement only, the batch does the ROLLBACK
  1213: 'conflict', // deadlock, or certification on a cluster
  3101: 'conflict', // rolled back by group replication
  3572: 'conflict', // NOWAIT
  1317: 'slow', // interrupted by an administrator
  1969: 'slow', // max_statement_time
  3024: 'slow', // max_execution_time
  1062: 'duplicate',
  1451: 'reference',
  1452: 'reference',
  1044: 'denied',
  1142: 'denied',
  1143: 'denied',
  1227: 'denied',
  1370: 'denied',
  1045: 'credentials',
  1251: 'credentials',
  1524: 'credentials', // the user's authentication plugin is not there
  1698: 'credentials',
  3159: 'untrusted', // require_secure_transport, and this connection is not encrypted
  1049: 'missing',
  1054: 'missing',
  1146: 'missing',
  1176: 'missing', // an index that a statement names
  1072: 'missing',
  1347: 'unfit', // a view where a table was
  1932: 'missing', // the table's file is gone
  3: 'full', // error writing a file
  1021: 'full',
  1114: 'full',
  1041: 'full',
};

/** The driver's own codes and the sockets', when a connection is gone or does not answer. */
const lostCodes = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_PACKETS_OUT_OF_ORDER',
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

const lostWords =
  /connection lost|closed the connection|connection is in closed state|after fatal error|after the connection was closed|connection was killed|connection timed out/i;

export function kindOf(error: unknown): { readonly kind: StoreErrorKind; readonly code: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return kindOf(error.errors[0]);
  const { errno, code } = numbersOf(error);
  // "Got error 28" and its like stand in the words of 1030.
  if (errno === 1030)
    return { kind: /error (28|122)\b/.test(wordsOf(error)) ? 'full' : 'other', code: '1030' };
  // 1290 is said of other server options too; those never change by waiting.
  if (errno === 1290 && !/read-only/i.test(wordsOf(error))) return { kind: 'denied', code: '1290' };
  const known = errno === null ? undefined : kinds[errno];
  if (known !== undefined) return { kind: known, code: String(errno) };
  if (lostCodes.has(code) || lostWords.test(wordsOf(error))) {
    return { kind: 'unreachable', code: code === '' ? 'LOST' : code };
  }
  if (isUntrusted(code, wordsOf(error))) return { kind: 'untrusted', code };
  return { kind: 'other', code: errno === null ? code : String(errno) };
}

/** The server's numbers are positive; those of a socket are negative and say nothing more than its code. */
function numbersOf(error: unknown): { readonly errno: number | null; readonly code: string } {
  if (error === null || typeof error !== 'object') return { errno: null, code: '' };
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  return {
    errno: typeof errno === 'number' && errno > 0 ? errno : null,
    code: typeof code === 'string' ? code : '',
  };
}

/** Translated once, here; words and cause are kept. */
export function translate(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const { kind, code } = kindOf(error);
  return new StoreError(kind, code, doing, wordsOf(error), error);
}

/** A row that another session holds, met by a statement that does not wait. */
export function isLockInTheWay(error: StoreError): boolean {
  return error.nativeCode === '1205' || error.nativeCode === '3572';
}

/** A statement that somebody ended by KILL QUERY. */
export function isInterrupted(error: StoreError): boolean {
  return error.nativeCode === '1317';
}
