/**
 * One process per folder. The embedded engine does not refuse a second process: both start, and what one of them
 * commits is gone after the other's next write. So the folder is locked by a file beside it, which also tells who
 * is there.
 *
 * A lock is taken over only when its owner certainly lives no more: it was written on this host and the machine has
 * been started since, or no process has its number, or another process has that number now (another start time).
 * Never by its age: the owner may be busy or stopped, and it would go on writing.
 *
 * Two processes that find the same dead owner must not both win. Each record carries a random token, and the right
 * to replace a record is itself a file that can be made only once: `<lock>.after-<its token>`. Who made it looks
 * again whether the dead record is still there (a later one means that somebody replaced it in the meantime), puts
 * its own record in place by rename, and only then removes the claim. A claimant that died on the way is a dead
 * owner like any other, and its claim is claimed in the same way.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { Refusal } from '../../core/errors.js';

export type FolderLock = {
  /** Tells others where this owner can be reached (`http://127.0.0.1:9090`). */
  note(text: string): void;
  /** Removes the lock if it is still ours. */
  release(): void;
};

type Owner = {
  readonly token: string;
  readonly pid: number;
  /** Clock ticks from the machine's start to the process's, as text; null where the system does not tell. */
  readonly started: string | null;
  readonly bootId: string | null;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
  readonly note: string | null;
};

/** Every round that does not end means that another process made progress; more than a few are not plausible. */
const maxRounds = 50;

/** Throws a Refusal that names the owner. `path` lies outside the folder: the engine rewrites what is inside. */
export function lockFolder(path: string): FolderLock {
  let owner: Owner = {
    token: randomBytes(12).toString('hex'),
    pid: process.pid,
    started: startOf(process.pid),
    bootId: textOf('/proc/sys/kernel/random/boot_id'),
    host: hostname(),
    since: new Date().toISOString(),
    note: null,
  };
  const own = `${path}.${owner.token}`;
  writeWhole(own, owner);
  try {
    acquire(path, own);
  } finally {
    rmSync(own, { force: true });
  }
  let released = false;
  return {
    note(text) {
      if (released || ownerOf(path)?.token !== owner.token) return;
      owner = { ...owner, note: text };
      writeWhole(own, owner);
      renameSync(own, path);
    },
    release() {
      if (released) return;
      released = true;
      if (ownerOf(path)?.token === owner.token) rmSync(path, { force: true });
    },
  };
}

function acquire(path: string, own: string): void {
  for (let round = 0; round < maxRounds; round += 1) {
    // A link puts the whole record in place at once; a reader never finds half of it.
    if (linked(own, path)) return;
    const found = ownerOf(path);
    if (found === null) continue;
    refuseIfAlive(path, found);
    if (takeOver(path, own, found)) return;
  }
  throw new Refusal('refused', `Locking ${path}: other processes keep changing it. Try again in a moment.`);
}

/** False: somebody was faster, look again. */
function takeOver(path: string, own: string, dead: Owner): boolean {
  const claims: string[] = [];
  for (let last = dead; ; ) {
    const claim = `${path}.after-${last.token}`;
    const won = linked(own, claim);
    claims.push(claim);
    if (won) break;
    const claimant = ownerOf(claim);
    if (claimant === null) return false;
    refuseIfAlive(path, claimant);
    last = claimant;
  }
  const mine = claims.at(-1);
  if (ownerOf(path)?.token !== dead.token) {
    if (mine !== undefined) rmSync(mine, { force: true });
    return false;
  }
  renameSync(own, path);
  for (const claim of claims) rmSync(claim, { force: true });
  return true;
}

function refuseIfAlive(path: string, owner: Owner): void {
  const who = `process ${owner.pid} since ${owner.since}${owner.note === null ? '' : ` (${owner.note})`}`;
  if (owner.host !== hostname()) {
    throw new Refusal(
      'refused',
      `The embedded database is locked by ${who} on another host, "${owner.host}"; from here nobody can see whether ` +
        `it still runs. Stop it there, or make sure that nothing runs there and delete ${path}.`,
    );
  }
  const bootId = textOf('/proc/sys/kernel/random/boot_id');
  if (owner.bootId !== null && bootId !== null && owner.bootId !== bootId) return;
  if (!isAlive(owner.pid) || isZombie(owner.pid)) return;
  const started = startOf(owner.pid);
  if (owner.started !== null && started !== null && owner.started !== started) return;
  throw new Refusal(
    'refused',
    `The embedded database is in use by ${who}; only one process at a time can have it. ` +
      'Stop that one, or ask it over HTTP, or set DATABASE_URL to a PostgreSQL server, which takes many.',
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else. Only "no such process" means dead.
    return codeOf(error) !== 'ESRCH';
  }
}

/**
 * Dead, but its parent has not asked for its exit code: some parents never do. While another of its threads is still
 * on its way out, that thread may be in the middle of a write, so it counts as alive.
 */
function isZombie(pid: number): boolean {
  if (statOf(pid)?.[0] !== 'Z') return false;
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return true;
    throw error;
  }
}

/** Field 22 of /proc/<pid>/stat. */
function startOf(pid: number): string | null {
  return statOf(pid)?.[19] ?? null;
}

/** The fields from the third on, counted from behind the name, which may hold spaces and brackets. */
function statOf(pid: number): readonly string[] | null {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function ownerOf(path: string): Owner | null {
  const text = textOf(path);
  if (text === null) return null;
  const found = parsed(text);
  if (found !== null) return found;
  throw new Refusal(
    'refused',
    `The embedded database is locked, and ${path} does not say by whom (it is no record of ours). ` +
      'Make sure that no other message-gc runs here and delete that file.',
  );
}

function parsed(text: string): Owner | null {
  try {
    const value: unknown = JSON.parse(text);
    const isOwner =
      typeof value === 'object' &&
      value !== null &&
      'token' in value &&
      typeof value.token === 'string' &&
      'pid' in value &&
      Number.isSafeInteger(value.pid) &&
      'host' in value &&
      typeof value.host === 'string';
    if (!isOwner) return null;
    return { started: null, bootId: null, since: 'an unknown time', note: null, ...value } as Owner;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** On the disk before anybody can see it: after a power loss the lock is a whole record or none. */
function writeWhole(path: string, owner: Owner): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, `${JSON.stringify(owner)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function linked(existing: string, path: string): boolean {
  try {
    linkSync(existing, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return null;
    throw error;
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}
