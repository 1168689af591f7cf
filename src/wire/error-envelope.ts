/**
 * The error model of the HTTP API: one table of codes, one envelope. Titles are the published ones, because clients
 * show and compare them. The HTTP status is the one a code usually goes with; where the original leaves it open, the
 * reason stands beside it.
 */
import { type Meta, meta } from './meta.js';

export const errorCodes = {
  1000: { title: 'Generic error', status: 500 },
  1005: { title: 'Access denied', status: 401 },
  1006: { title: 'Resource not found', status: 404 },
  1008: { title: 'Required parameter is missing', status: 400 },
  1009: { title: 'Parameter value is not valid', status: 400 },
  1010: { title: 'Parameter is not required', status: 400 },
  1011: { title: 'Service not ready', status: 503 },
  1014: { title: 'Internal error', status: 500 },
  1015: { title: 'Too many requests', status: 429 },
  1016: { title: 'System overloaded', status: 503 },
  1022: { title: 'Webhooks URL is not configured', status: 400 },
  1023: { title: 'Database error occurred', status: 503 },
  // 403, not 401: the credentials are right, and clients take 401 for a wrong password.
  1024: { title: 'Password Change Required', status: 403 },
  // Everything that is wrong with a request before anybody looks at its parameters: JSON, size, method, headers.
  1025: { title: 'Invalid Request', status: 400 },
} as const satisfies Readonly<Record<number, { readonly title: string; readonly status: number }>>;

export type ErrorCode = keyof typeof errorCodes;

export type ErrorEntry = { readonly code: ErrorCode; readonly title: string; readonly details: string };
export type ErrorEnvelope = { readonly meta: Meta; readonly errors: readonly [ErrorEntry] };

/** `details` are words for a person: what was attempted, what was found, what to do. */
export function errorEnvelope(code: ErrorCode, details: string): ErrorEnvelope {
  return { meta, errors: [errorEntry(code, details)] };
}

export function errorEntry(code: ErrorCode, details: string): ErrorEntry {
  return { code, title: errorCodes[code].title, details };
}
