/** The body of `PATCH /v1/services/message/gc`: any of its fields, at least one. */
import { type PaceName, paceNames } from '../core/pace.js';
import { highestRate, type SteerChange } from '../core/ports.js';
import type { ErrorCode } from './error-envelope.js';

export type SteerRequest =
  | { readonly kind: 'change'; readonly change: SteerChange }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly details: string };

const example = 'such as {"paused":true}, {"max_rows_per_second":20000} or {"profile":"gentle"}';

/** Everything that is asked is valid, or nothing is done. */
export function readSteerRequest(body: unknown): SteerRequest {
  if (body === undefined || body === null)
    return refuse(1008, `There is no body; send what is to be changed, ${example}`);
  if (typeof body !== 'object' || Array.isArray(body))
    return refuse(
      1008,
      `The body is ${shown(body)}, expected an object with what is to be changed, ${example}`,
    );
  const given = Object.entries(body);
  if (given.length === 0)
    return refuse(1008, `The body asks for nothing; send what is to be changed, ${example}`);
  let change: SteerChange = {};
  for (const [name, value] of given) {
    switch (name) {
      case 'paused':
        if (typeof value !== 'boolean') return wrong(name, value, 'true or false');
        change = { ...change, paused: value };
        break;
      case 'max_rows_per_second':
        if (!isRate(value))
          return wrong(name, value, `a whole number from 1 to ${highestRate}, or null for no limit`);
        change = { ...change, maxRate: value };
        break;
      case 'profile':
        if (!isProfile(value))
          return wrong(
            name,
            value,
            `${paceNames.map((one) => `"${one}"`).join(', ')}, or null for each node's own`,
          );
        change = { ...change, profile: value };
        break;
      default:
        return refuse(
          1010,
          `The call takes paused, max_rows_per_second and profile; "${name.slice(0, 80)}" was sent, and nothing was changed.`,
        );
    }
  }
  return { kind: 'change', change };
}

function isRate(value: unknown): value is number | null {
  return (
    value === null ||
    (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= highestRate)
  );
}

function isProfile(value: unknown): value is PaceName | null {
  return value === null || paceNames.some((name) => name === value);
}

function wrong(name: string, value: unknown, expected: string): SteerRequest {
  return refuse(1009, `${name} is ${shown(value)}, expected ${expected}; nothing was changed.`);
}

function shown(value: unknown): string {
  // A number too large for a double (1e400) is Infinity here, which JSON would show as null.
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function refuse(code: ErrorCode, details: string): SteerRequest {
  return { kind: 'refused', code, details };
}
