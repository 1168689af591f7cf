import { type Meta, meta } from './meta.js';

export type LoginReply = {
  readonly users: readonly [{ readonly token: string; readonly expires_after: string }];
  readonly meta: Meta;
};

export function loginReply(token: string, expires: Date): LoginReply {
  return { users: [{ token, expires_after: expiresAfter(expires) }], meta };
}

/** `2021-12-29 14:12:02+00:00`: a space where ISO 8601 has a T. Clients parse exactly this, always in UTC. */
export function expiresAfter(moment: Date): string {
  return `${moment.toISOString().slice(0, 19).replace('T', ' ')}+00:00`;
}
