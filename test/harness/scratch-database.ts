/**
 * A PostgreSQL database for one test, made on the server that TEST_POSTGRES_URL names and dropped by force, so that a
 * session left behind by a killed process never keeps it.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';

export type ScratchDatabase = {
  readonly name: string;
  readonly url: string;
  drop(): Promise<void>;
};

/** The server for tests; without it these tests cannot run, and the words say how to give one. */
export function postgresBase(): URL {
  const text = process.env['TEST_POSTGRES_URL'];
  if (text === undefined || text === '') {
    throw new Error(
      'These tests need a PostgreSQL server. Set TEST_POSTGRES_URL, for example ' +
        'TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:5432/postgres, a user that may create databases.',
    );
  }
  return new URL(text);
}

/** `template`: a database to copy, to which nobody may be connected. */
export async function createScratchDatabase(
  options: { readonly template?: string } = {},
): Promise<ScratchDatabase> {
  const base = postgresBase();
  const name = `mgc_test_${process.pid}_${randomBytes(5).toString('hex')}`;
  const copy = options.template === undefined ? '' : ` TEMPLATE "${options.template}"`;
  await onServer(base, `CREATE DATABASE "${name}"${copy}`);
  const url = new URL(base.href);
  url.pathname = `/${name}`;
  return {
    name,
    url: url.href,
    drop: () => onServer(base, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`),
  };
}

async function onServer(base: URL, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: base.href, application_name: 'message-gc test' });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
