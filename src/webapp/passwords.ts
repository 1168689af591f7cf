/**
 * Passwords: scrypt from node:crypto, stored with its parameters, so that they can be raised later without making
 * old hashes worthless. One hash takes about 0.3 s and 32 MiB; two at once at most, or a flood of logins would eat
 * the memory and the thread pool that the database driver needs as well.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { Home } from '../core/ports.js';
import { Queue } from './queue.js';

const cost = { N: 2 ** 15, r: 8, p: 3 } as const;
const keyBytes = 32;
const hashing = new Queue(2, 64);

export const adminName = 'admin';
/** The published password of the built-in account: good for nothing but setting another one. */
const builtInPassword = 'secret';
/** Stands in the place of a hash while an account has only the built-in password. */
const initialMarker = 'initial';

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, keyBytes, cost);
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/**
 * `stored` null: there is no such user. Takes as long for an unknown user and for the built-in password as for any
 * other, so that the time of an answer does not tell who exists.
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const parts = stored === null ? null : parseHash(stored);
  if (parts === null) {
    await derive(password, randomBytes(16), keyBytes, cost);
    return stored === initialMarker && sameText(password, builtInPassword);
  }
  const hash = await derive(password, parts.salt, parts.hash.length, parts);
  return timingSafeEqual(hash, parts.hash);
}

export function hasOwnPassword(passwordHash: string): boolean {
  return passwordHash !== initialMarker;
}

/**
 * Makes the built-in account if it is missing, and gives it `adminPassword` once: an account that has a password of
 * its own keeps it, whatever the environment says.
 */
export async function ensureAdmin(home: Home, adminPassword: string | null): Promise<void> {
  const admin = await home.user(adminName);
  if (admin !== null && (hasOwnPassword(admin.passwordHash) || adminPassword === null)) return;
  await home.saveUser({
    name: adminName,
    role: 'ROLE_ADMIN',
    passwordHash: adminPassword === null ? initialMarker : await hashPassword(adminPassword),
  });
}

/** Whether the instance may listen beyond loopback. */
export async function adminHasOwnPassword(home: Home): Promise<boolean> {
  const admin = await home.user(adminName);
  return admin !== null && hasOwnPassword(admin.passwordHash);
}

const specialCharacter = /[!"#$%&'()*+,\-./:;<=>?@[\]^_`{|}~\\]/;

/** What the password lacks, in words; null when it is good. */
export function passwordFault(password: string): string | null {
  const length = Array.from(password).length;
  const missing = [
    ...(length < 8 || length > 64 ? [`8 to 64 characters (it has ${length})`] : []),
    ...(/\d/.test(password) ? [] : ['a digit']),
    ...(/[A-Z]/.test(password) ? [] : ['an upper-case letter']),
    ...(/[a-z]/.test(password) ? [] : ['a lower-case letter']),
    ...(specialCharacter.test(password) ? [] : ['a special character such as ! # % + -']),
  ];
  return missing.length === 0 ? null : `new_password needs ${missing.join(', ')}`;
}

type Cost = { readonly N: number; readonly r: number; readonly p: number };

function parseHash(stored: string): (Cost & { readonly salt: Buffer; readonly hash: Buffer }) | null {
  const [name, N, r, p, salt, hash] = stored.split('$');
  if (name !== 'scrypt' || salt === undefined || hash === undefined || hash === '') return null;
  return {
    N: Number(N),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  };
}

function derive(password: string, salt: Buffer, length: number, { N, r, p }: Cost): Promise<Buffer> {
  // Twice what the algorithm needs: Node's own limit (32 MiB) is just below our need and would refuse.
  const maxmem = 2 * 128 * r * (N + p + 2);
  return hashing.run(
    () =>
      new Promise((resolve, reject) => {
        // NFC: the same letters typed on another keyboard may be composed of other characters.
        scrypt(password.normalize('NFC'), salt, length, { N, r, p, maxmem }, (error, key) => {
          if (error === null) resolve(key);
          else reject(error);
        });
      }),
  );
}

function sameText(one: string, other: string): boolean {
  const a = Buffer.from(one);
  const b = Buffer.from(other);
  return a.length === b.length && timingSafeEqual(a, b);
}
