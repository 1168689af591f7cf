/**
 * What Webapps and Coreapps say to each other on the control port: JSON, signed by the cluster's secret in both
 * directions, so that neither a stranger's call nor a stranger's answer is believed. It is not encrypted: a network that
 * others can read needs a tunnel.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Raised when a node of the version before could not understand what is said. */
export const controlProtocol = 1;

/** As many characters as the ledger's column takes. */
const mostNameLength = 255;

export const startPath = '/start';
export const signatureHeader = 'x-message-gc-signature';

/** The least that can be read whatever the protocol: who asks in another one is told both numbers. */
export type ControlCall = {
  readonly protocol: number;
  readonly start: {
    /** 32 hex; pins the call to a run, so that a call said again changes nothing. */
    readonly request: string;
    readonly by: string;
    /** The name of the node that the Webapp means to reach. */
    readonly node: string;
    /** A node works by its own policy: another one is an error. */
    readonly policy_hash: string;
  };
};

export type ControlAnswer =
  | {
      readonly protocol: number;
      readonly node: string;
      readonly started: { readonly run: string; readonly joined: boolean };
    }
  | { readonly protocol: number; readonly node: string; readonly error: ControlError };

/** `words` are for the operator who sent the PUT. */
export type ControlError = {
  readonly kind: 'secret' | 'protocol' | 'malformed' | 'name' | 'policy' | 'not_started';
  readonly words: string;
};

/** What is signed says which way it goes, and an answer names its call: neither can be played back as another. */
export function signCall(secret: string, body: string): string {
  return createHmac('sha256', secret).update(`call\n${body}`).digest('hex');
}

export function signAnswer(secret: string, callSignature: string, body: string): string {
  return createHmac('sha256', secret).update(`answer\n${callSignature}\n${body}`).digest('hex');
}

export function isSignature(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Null: it is no call. The protocol is looked at first: later ones may have another shape. */
export function parseCall(
  text: string,
): { readonly protocol: number; readonly call: ControlCall | null } | null {
  const parsed = asObject(text);
  const protocol = parsed?.['protocol'];
  if (parsed === null || typeof protocol !== 'number') return null;
  const start = parsed['start'];
  const isCall =
    typeof start === 'object' &&
    start !== null &&
    'request' in start &&
    typeof start.request === 'string' &&
    /^[0-9a-f]{32}$/.test(start.request) &&
    'by' in start &&
    typeof start.by === 'string' &&
    isName(start.by) &&
    'node' in start &&
    typeof start.node === 'string' &&
    'policy_hash' in start &&
    typeof start.policy_hash === 'string';
  return { protocol, call: isCall ? (parsed as unknown as ControlCall) : null };
}

/** Of a user, as the Webapp takes it; databases and terminals take no control characters. */
function isName(text: string): boolean {
  return text.length <= mostNameLength && !/\p{Cc}/u.test(text);
}

/** Null: it is no answer of a control port. */
export function parseAnswer(text: string): ControlAnswer | null {
  const parsed = asObject(text);
  if (parsed === null || typeof parsed['protocol'] !== 'number' || typeof parsed['node'] !== 'string')
    return null;
  const { started, error } = parsed as { readonly started?: unknown; readonly error?: unknown };
  if (typeof started === 'object' && started !== null) {
    const isStart =
      'run' in started &&
      typeof started.run === 'string' &&
      /^[0-9a-f]{32}$/.test(started.run) &&
      'joined' in started;
    return isStart ? (parsed as unknown as ControlAnswer) : null;
  }
  if (typeof error !== 'object' || error === null) return null;
  const isError =
    'kind' in error && typeof error.kind === 'string' && 'words' in error && typeof error.words === 'string';
  return isError ? (parsed as unknown as ControlAnswer) : null;
}

function asObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}
