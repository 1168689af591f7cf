import { randomBytes } from 'node:crypto';
import { Connector } from './connect.js';
import { translate } from './errors.js';
import { quoted } from './names.js';

/** A database of its own on the server, for the demo: nothing that exists is touched, and it is dropped at the end. */
export async function createScratchDatabase(
  url: string,
): Promise<{ readonly url: string; readonly name: string; drop(): Promise<void> }> {
  const name = `message_gc_demo_${randomBytes(4).toString('hex')}`;
  await administer(url, `CREATE DATABASE ${quoted(name)}`);
  const scratch = new URL(url);
  scratch.pathname = `/${name}`;
  return {
    url: scratch.href,
    name,
    drop: () => administer(url, `DROP DATABASE IF EXISTS ${quoted(name)} WITH (FORCE)`),
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const connector = new Connector(url);
  try {
    const client = await connector.client({
      application_name: 'message-gc',
      connectionTimeoutMillis: 5_000,
    });
    try {
      await client.query(statement);
    } finally {
      await client.end().catch(() => undefined);
    }
  } catch (error) {
    throw translate(error, 'make or drop the scratch database');
  }
}
