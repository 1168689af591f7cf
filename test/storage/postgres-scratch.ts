/** A scratch database on the test server for one test file; dropped at the end, with everybody who is still in it. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';

const serverUrl = process.env['TEST_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres';

export class ScratchDatabase {
  readonly name = `message_gc_test_${randomBytes(6).toString('hex')}`;
  readonly pool: pg.Pool;
  readonly #roles: string[] = [];

  constructor() {
    this.pool = new pg.Pool({ connectionString: this.#url() });
    this.pool.on('error', () => undefined);
  }

  async create(): Promise<void> {
    await onServer([`CREATE DATABASE ${this.name}`]);
  }

  /** A role without any privilege, and a client that is connected as it. */
  async clientOfNewRole(name: string): Promise<pg.Client> {
    this.#roles.push(name);
    await onServer([`CREATE ROLE ${pg.escapeIdentifier(name)} LOGIN PASSWORD 'test'`]);
    const url = new URL(this.#url());
    url.username = encodeURIComponent(name);
    url.password = 'test';
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    return client;
  }

  async drop(): Promise<void> {
    await this.pool.end();
    await onServer([
      `DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`,
      ...this.#roles.map((role) => `DROP ROLE IF EXISTS ${pg.escapeIdentifier(role)}`),
    ]);
  }

  #url(): string {
    const url = new URL(serverUrl);
    url.pathname = `/${this.name}`;
    return url.href;
  }
}

async function onServer(statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
