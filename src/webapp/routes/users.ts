/** Log-in and log-out. A log-in is Basic; the built-in account must set a password of its own with its first one. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { User } from '../../core/ports.js';
import { loginReply } from '../../wire/login-reply.js';
import { meta } from '../../wire/meta.js';
import { ApiError } from '../api-error.js';
import { storeDeadlineMs, within } from '../deadline.js';
import type { WebappDeps } from '../deps.js';
import type { Guard } from '../guard.js';
import { adminName, hashPassword, hasOwnPassword, passwordFault, verifyPassword } from '../passwords.js';
import { Queue } from '../queue.js';
import type { KnownVisitor, Route } from '../route.js';
import type { Tokens } from '../tokens.js';

export function userRoutes(deps: WebappDeps, tokens: Tokens, guard: Guard): readonly Route[] {
  /** First passwords are set one after another: two clients must not both believe that theirs is the one. */
  const firstPasswords = new Queue(1, 16);
  const find = (name: string) => within(deps.home.user(name), storeDeadlineMs, 'look up a user');

  async function login(request: FastifyRequest): Promise<unknown> {
    const given = basicCredentials(request.headers.authorization);
    if (given === null) {
      throw wrongCredentials(
        'Log in with "Authorization: Basic <base64 of user:password>"; no such header was found.',
      );
    }
    const newPassword = newPasswordOf(request.body);
    const user = await find(given.name);
    // The start has not come that far: the password may be right, and nobody could tell.
    if (user === null && given.name === adminName) {
      throw new ApiError(1011, 'The accounts are not there yet: the service is still starting. Try again.', {
        headers: { 'retry-after': '5' },
      });
    }
    const right = await verifyPassword(given.password, user === null ? null : user.passwordHash);
    if (user === null || !right) {
      deps.log.info({ user: given.name.slice(0, 32) }, 'a log-in was refused: wrong user or password');
      throw wrongCredentials('Invalid credentials.');
    }
    // Whatever the order in which the door opened and the database came: what the start would refuse is refused here.
    if (!hasOwnPassword(user.passwordHash) && !deps.settings.builtInMayLogIn) {
      throw wrongCredentials(
        'The built-in password opens nothing beyond loopback. Set MESSAGE_GC_ADMIN_PASSWORD and start again, or log in once on loopback with a new_password.',
      );
    }
    if (!hasOwnPassword(user.passwordHash)) await setFirstPassword(user, newPassword);
    else if (newPassword !== null && newPassword !== given.password) {
      throw new ApiError(
        1010,
        `new_password is taken with the first log-in only; "${user.name}" has a password already.`,
      );
    }
    const { token, expires } = await within(tokens.issue(user.name), storeDeadlineMs, 'sign a token');
    deps.log.info({ user: user.name, expires: expires.toISOString() }, 'a user logged in');
    return loginReply(token, expires);
  }

  async function setFirstPassword(user: User, newPassword: string | null): Promise<void> {
    if (newPassword === null) {
      throw new ApiError(
        1024,
        `"${user.name}" still has the built-in password. Log in once with the body {"new_password":"…"} to set another.`,
      );
    }
    const fault = passwordFault(newPassword);
    if (fault !== null) throw new ApiError(1009, `${fault}.`);
    const passwordHash = await hashPassword(newPassword);
    await firstPasswords.run(async () => {
      const now = await find(user.name);
      if (now === null || hasOwnPassword(now.passwordHash)) throw wrongCredentials('Invalid credentials.');
      await within(deps.home.saveUser({ ...now, passwordHash }), storeDeadlineMs, 'save a password');
    });
    deps.log.info({ user: user.name }, 'the built-in password was replaced');
  }

  async function logout(
    _request: FastifyRequest,
    _reply: FastifyReply,
    visitor: KnownVisitor,
  ): Promise<unknown> {
    await within(guard.revoke(visitor.tokenId, visitor.expires), storeDeadlineMs, 'revoke a token');
    return { meta };
  }

  return [
    { method: 'POST', path: '/v1/users/login', access: 'open', handle: login },
    { method: 'POST', path: '/v1/users/logout', access: 'token', handle: logout },
  ];
}

function basicCredentials(
  header: string | undefined,
): { readonly name: string; readonly password: string } | null {
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1 ? null : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** null: none was sent. */
function newPasswordOf(body: unknown): string | null {
  if (body === undefined || body === null) return null;
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new ApiError(1009, 'The body must be empty or {"new_password":"…"}.');
  }
  const unknown = Object.keys(body).find((key) => key !== 'new_password');
  if (unknown !== undefined) {
    throw new ApiError(1010, `A log-in takes new_password only, but "${unknown.slice(0, 80)}" was sent.`);
  }
  if (!('new_password' in body)) return null;
  if (typeof body.new_password !== 'string') throw new ApiError(1009, 'new_password must be a text.');
  return body.new_password;
}

function wrongCredentials(details: string): ApiError {
  return new ApiError(1005, details, {
    headers: { 'www-authenticate': 'Basic realm="message-gc", charset="UTF-8"' },
  });
}
