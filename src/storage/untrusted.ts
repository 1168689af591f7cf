/**
 * What Node and the drivers say when a connection was to be encrypted and cannot be, or shows a certificate that is not
 * to be trusted: OpenSSL's names of what a certificate fails by, Node's own, the two of mysql2, and pg's words.
 */
const codes =
  /^(UNABLE_TO_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT_|ERR_SSL_|HANDSHAKE_SSL_ERROR|HANDSHAKE_NO_SSL_SUPPORT)/;
const words = /does not support SSL|error establishing an SSL connection/i;

/** Waiting does not mend it, and nothing was said to the server yet. */
export function isUntrusted(code: string, message: string): boolean {
  return codes.test(code) || words.test(message);
}
