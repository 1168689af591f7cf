/**
 * Who may pass a door. Runs before the body is read, so that nobody without a token makes this process parse
 * anything.
 *
 * When the database cannot be reached, revocation and role cannot be looked up. Then a well-signed token passes as
 * `unconfirmed` through doors that say so, and those may tell only that the database is gone.
 */
import { StoreError } from '../core/errors.js';
import type { Home } from '../core/ports.js';
import type { Clock } from '../kit/clock.js';
import { ApiError } from './api-error.js';
import { within } from './deadline.js';
import type { TokenClaims, Tokens } from './tokens.js';

/** `gc`: an admin, or anybody with a token where `allowUsers` is set. */
export type Access = 'open' | 'token' | 'gc' | 'admin';

export type Visitor =
  | {
      readonly kind: 'known';
      readonly user: string;
      readonly tokenId: string;
      readonly expires: Date;
    }
  /** `signed`: false where not even the signature could be verified, because the key is in that database too. */
  | { readonly kind: 'unconfirmed'; readonly error: StoreError; readonly signed: boolean };

type Role = { readonly kind: 'role'; readonly admin: boolean };
type Standing = { readonly kind: 'revoked' } | Role;

/** How long a look-up is believed. A token revoked by another Webapp is refused here this much later. */
const believedMs = 2_000;
const mostRemembered = 1_000;
/** Below the five seconds within which a PUT answers. */
const lookUpDeadlineMs = 4_000;

export class Guard {
  readonly #tokens: Tokens;
  readonly #home: Pick<Home, 'user' | 'isRevoked' | 'revoke'>;
  readonly #clock: Clock;
  readonly #allowUsers: boolean;
  readonly #remembered = new Map<string, { readonly standing: Standing; readonly untilMs: number }>();

  constructor(
    tokens: Tokens,
    home: Pick<Home, 'user' | 'isRevoked' | 'revoke'>,
    clock: Clock,
    allowUsers: boolean,
  ) {
    this.#tokens = tokens;
    this.#home = home;
    this.#clock = clock;
    this.#allowUsers = allowUsers;
  }

  /** Throws ApiError 401 or 403; StoreError where the door does not take unconfirmed visitors. */
  async admit(
    authorization: string | undefined,
    access: Exclude<Access, 'open'>,
    unconfirmedMayPass: boolean,
  ): Promise<Visitor> {
    const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) {
      throw denied(
        'No token was sent. Log in with POST /v1/users/login and send "Authorization: Bearer <token>".',
      );
    }
    try {
      // One limit for all the questions together: loading the key, revocation, role.
      const { claims, standing } = await within(this.#identify(token), lookUpDeadlineMs, 'look up a token');
      const needsAdmin = access === 'admin' || (access === 'gc' && !this.#allowUsers);
      if (needsAdmin && !standing.admin) {
        throw new ApiError(1005, `"${claims.user}" may not do this; the token of an admin is needed.`, {
          status: 403,
        });
      }
      return { kind: 'known', user: claims.user, tokenId: claims.id, expires: claims.expires };
    } catch (error) {
      if (error instanceof StoreError && unconfirmedMayPass) {
        return { kind: 'unconfirmed', error, signed: this.#tokens.canVerify };
      }
      throw error;
    }
  }

  /** The token is refused from now on: here at once, in other Webapps after their memory has run out. */
  async revoke(tokenId: string, expires: Date): Promise<void> {
    await this.#home.revoke(tokenId, expires);
    this.#remember(tokenId, { kind: 'revoked' });
  }

  async #identify(token: string): Promise<{ readonly claims: TokenClaims; readonly standing: Role }> {
    const claims = await this.#tokens.read(token);
    if (claims === null) throw denied('The token is not valid or has run out. Log in again.');
    const standing = await this.#standing(claims.id, claims.user);
    if (standing.kind === 'revoked') throw denied('The token was revoked. Log in again.');
    return { claims, standing };
  }

  async #standing(tokenId: string, userName: string): Promise<Standing> {
    const known = this.#recall(tokenId);
    if (known !== null) return known;
    const [revoked, user] = await Promise.all([this.#home.isRevoked(tokenId), this.#home.user(userName)]);
    const standing: Standing =
      revoked || user === null ? { kind: 'revoked' } : { kind: 'role', admin: user.role === 'ROLE_ADMIN' };
    // A log-out that happened while we were asking knows better.
    const meanwhile = this.#recall(tokenId);
    if (meanwhile?.kind === 'revoked') return meanwhile;
    this.#remember(tokenId, standing);
    return standing;
  }

  #recall(tokenId: string): Standing | null {
    const entry = this.#remembered.get(tokenId);
    return entry !== undefined && entry.untilMs > this.#clock.monotonicMs() ? entry.standing : null;
  }

  #remember(tokenId: string, standing: Standing): void {
    // Forgetting everything now and then costs a look-up each; a list of ages would cost more code.
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear();
    this.#remembered.set(tokenId, { standing, untilMs: this.#clock.monotonicMs() + believedMs });
  }
}

function denied(details: string): ApiError {
  return new ApiError(1005, details, { headers: { 'www-authenticate': 'Bearer' } });
}
