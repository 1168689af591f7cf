/**
 * What a failed attempt means for a person: what was found and where to look. The words stand in the log and in the
 * callback's row, so they name host and port only; a URL may carry secrets in its path, query or user part.
 */
import { wordsOf } from '../core/errors.js';

/** OpenSSL's verdicts on a certificate, as Node names them. */
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Words for an exception of the HTTP client. `place` is `host:port`. */
export function failureWords(error: unknown, place: string): string {
  const code = codeOf(error);
  const found = `${wordsOf(error)}${code === '' ? '' : ` (${code})`}`;
  if (certificateCodes.has(code)) {
    return `The certificate of ${place} is not trusted: ${found}. Mend it, or name its authority in NODE_EXTRA_CA_CERTS`;
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    return `${place} does not speak TLS as expected: ${found}. Is https:// right for this port?`;
  }
  switch (code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `No connection to ${place} within the connect time-out. Is it reachable from this host?`;
    case 'ECONNREFUSED':
      return `${place} refused the connection. Is the receiver running?`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name of ${place} was not found (${code}). Is it right, and does DNS work on this host?`;
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return `${place} closed the connection without an answer`;
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'HPE_HEADER_OVERFLOW':
      return `${place} answered with more headers than are read`;
    default:
      return `Sending to ${place} failed: ${found}`;
  }
}

/** Words for an answer that is not 200. */
export function refusalWords(status: number): string {
  if (status >= 300 && status < 400) {
    return `The receiver answered ${status}, a redirect; these are not followed. Set webhooks.url to the final address`;
  }
  return `The receiver answered ${status}; only 200 counts as received`;
}

/** The first code along the causes: undici wraps what the socket said. */
function codeOf(error: unknown): string {
  let inner: unknown = error;
  for (let depth = 0; depth < 5 && inner instanceof Error; depth += 1) {
    if ('code' in inner && typeof inner.code === 'string') return inner.code;
    inner = inner instanceof AggregateError ? inner.errors[0] : inner.cause;
  }
  return '';
}
