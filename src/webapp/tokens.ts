/**
 * Bearer tokens: JWT, HS256, valid for 7 days (claims `user`, `iat`, `exp`, `jti`). A token says who, never what one
 * may do: the role is looked up, so that a deleted user's tokens are worthless at once.
 */
import { randomBytes, webcrypto } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { newId } from '../core/node-name.js';
import type { Home } from '../core/ports.js';
import type { Clock } from '../kit/clock.js';

export type TokenClaims = { readonly user: string; readonly id: string; readonly expires: Date };

const lifeSeconds = 7 * 86_400;
const mostVerified = 1_000;

export class Tokens {
  readonly #home: Pick<Home, 'secret'>;
  readonly #clock: Clock;
  readonly #configuredKey: string | null;
  #key: webcrypto.CryptoKey | null = null;
  /** Tokens whose signature was found to be right: what a text says does not change, only the time does. */
  readonly #verified = new Map<string, TokenClaims>();

  /** `configuredKey` null: the key is made once and kept in the home database. */
  constructor(home: Pick<Home, 'secret'>, clock: Clock, configuredKey: string | null) {
    this.#home = home;
    this.#clock = clock;
    this.#configuredKey = configuredKey;
  }

  /** May throw a StoreError: the key has to be loaded once. */
  async issue(user: string): Promise<{ readonly token: string; readonly expires: Date }> {
    const key = await this.#loadKey();
    const issued = Math.floor(this.#clock.now().getTime() / 1_000);
    const token = await new SignJWT({ user })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt(issued)
      .setExpirationTime(issued + lifeSeconds)
      .setJti(newId())
      .sign(key);
    return { token, expires: new Date((issued + lifeSeconds) * 1_000) };
  }

  /** null: not ours, changed, or run out. Throws a StoreError when the key has to be loaded and cannot. */
  async read(token: string): Promise<TokenClaims | null> {
    const known = this.#verified.get(token) ?? (await this.#verify(token));
    return known !== null && known.expires > this.#clock.now() ? known : null;
  }

  async #verify(token: string): Promise<TokenClaims | null> {
    const key = await this.#loadKey();
    const verified = await jwtVerify(token, key, {
      algorithms: ['HS256'],
      requiredClaims: ['exp', 'jti'],
      currentDate: this.#clock.now(),
      // Every way in which a token can be wrong has the same answer; which one it was helps only an attacker.
    }).catch(() => null);
    if (verified === null) return null;
    const { user, jti, exp } = verified.payload;
    if (typeof user !== 'string' || user === '' || jti === undefined || exp === undefined) return null;
    const claims = { user, id: jti, expires: new Date(exp * 1_000) };
    if (this.#verified.size >= mostVerified) this.#verified.clear();
    this.#verified.set(token, claims);
    return claims;
  }

  /** False until the key was loaded. */
  get canVerify(): boolean {
    return this.#key !== null;
  }

  async #loadKey(): Promise<webcrypto.CryptoKey> {
    if (this.#key !== null) return this.#key;
    // A failed attempt is not kept: the next request tries again.
    const text =
      this.#configuredKey ??
      (await this.#home.secret('jwt_key', () => randomBytes(32).toString('base64url')));
    // Imported once: given the bytes, the library would import them again for every request.
    this.#key = await webcrypto.subtle.importKey(
      'raw',
      new TextEncoder().encode(text),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign', 'verify'],
    );
    return this.#key;
  }
}
