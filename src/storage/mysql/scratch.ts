import { randomBytes } from 'node:crypto';
import { translate } from './errors.js';
import { parseAddress } from './address.js';
import { quoted } from './names.js';
import { connect } from './session.js';

/** A database of its own on the server, for the demo: nothing that exists is touched, and it is dropped at the end. */
export async function createScratchDatabase(
  url: string,
): Promise<{ readonly url: string; readonly name: string; drop(): Promise<void> }> {
  const name = `message_gc_demo_${randomBytes(4).toString('hex')}`;
  await administer(url, `CREATE DATABASE ${quoted(name)} CHARACTER SET utf8mb4`);
  return {
    url: inDatabase(url, name),
    name,
    drop: () => administer(url, `DROP DATABASE IF EXISTS ${quoted(name)}`),
  };
}

/** The same address with another database; `new URL` cannot be used for an address of several hosts. */
function inDatabase(url: string, name: string): string {
  return url.replace(/^(\w+:\/\/[^/?#]*)(\/[^?#]*)?/, `$1/${encodeURIComponent(name)}`);
}

/** Connects without a database: the one that the address names need not be there. */
async function administer(url: string, statement: string): Promise<void> {
  const { hosts, options } = parseAddress({ url });
  const session = await connect({
    options: { ...options, ...hosts[0] },
    idleInTransactionSeconds: 5,
    lockWaitSeconds: 5,
  });
  try {
    await session.write(statement);
  } catch (error) {
    throw translate(error, 'make or drop the scratch database');
  } finally {
    session.connection.end(() => undefined);
  }
}
