/**
 * A MariaDB database for one test, made on the server that TEST_MARIADB_URL names and dropped at the end, and a plain
 * connection to it that the product knows nothing of.
 */
import { randomBytes } from 'node:crypto';
import mysql from 'mysql2/promise';
import { isMariadb } from './mysql-family.js';

export type MariadbDatabase = {
  readonly name: string;
  readonly url: string;
  drop(): Promise<void>;
};

/** Rows of a SELECT, or of the last of several statements. */
export type MariadbClient = {
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
};

export function mariadbBase(): URL {
  const text = process.env['TEST_MARIADB_URL'];
  if (text === undefined || text === '') {
    throw new Error(
      'These tests need a MariaDB server. Set TEST_MARIADB_URL, for example ' +
        'TEST_MARIADB_URL=mysql://root@127.0.0.1:3306/mysql, a user that may create databases.',
    );
  }
  return new URL(text);
}

export async function createMariadbDatabase(base = mariadbBase()): Promise<MariadbDatabase> {
  const name = `mgc_my_${process.pid}_${randomBytes(5).toString('hex')}`;
  await onServer(base, `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`);
  const url = new URL(base.href);
  url.pathname = `/${name}`;
  return { name, url: url.href, drop: () => onServer(base, `DROP DATABASE IF EXISTS \`${name}\``) };
}

/** A session in UTC at READ COMMITTED, so that each statement sees what is committed. */
export async function mariadbConnection(url: string): Promise<mysql.Connection> {
  const connection = await mysql.createConnection({
    uri: url,
    timezone: 'Z',
    multipleStatements: true,
    supportBigNumbers: true,
    connectAttributes: { program_name: 'the test' },
  });
  // A connection that is lost rejects its query too, and that is where it is noticed.
  connection.on('error', () => undefined);
  await connection.query(`SET time_zone = '+00:00'; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`);
  if (!(await isMariadb(connection))) {
    await connection.query(`SET SESSION explain_format = 'TRADITIONAL'`);
    giveSequences(connection);
  }
  return connection;
}

/** MySQL has no tables `seq_1_to_100`: where a statement names one, a view of that name is made first. */
function giveSequences(connection: mysql.Connection): void {
  const query = connection.query.bind(connection) as unknown as (
    sql: string,
    values?: unknown,
  ) => Promise<never>;
  const digits = `(SELECT 0 AS d ${Array.from({ length: 9 }, (_, at) => `UNION ALL SELECT ${at + 1}`).join(' ')})`;
  connection.query = (async (sql: string, values?: unknown) => {
    for (const [name, first, last] of sql.matchAll(/\bseq_(\d+)_to_(\d+)\b/g)) {
      const most = Number(last) - Number(first);
      const places = Array.from(String(most), (_, at) => `p${at}`);
      const sum = places.map((place, at) => `${10 ** at} * ${place}.d`).join(' + ');
      await query(
        `CREATE OR REPLACE VIEW ${name} AS SELECT ${first} + ${sum} AS seq
         FROM ${places.map((place) => `${digits} ${place}`).join(' JOIN ')} WHERE ${sum} <= ${most}`,
      );
    }
    return query(sql, values);
  }) as unknown as typeof connection.query;
}

export async function mariadbClient(url: string): Promise<MariadbClient> {
  const connection = await mariadbConnection(url);
  return {
    async query(sql, values = []) {
      const [rows] = await connection.query(sql, [...values]);
      return { rows: Array.isArray(rows) ? rows : [] };
    },
    end: () => connection.end(),
  };
}

/** The ledger's tables under the names that they have here: `message_gc.run` is `message_gc_run`. */
export function inMariadb(sql: string): string {
  return sql.replaceAll('message_gc.', 'message_gc_').replaceAll(/::\w+/g, '');
}

async function onServer(base: URL, statement: string): Promise<void> {
  const connection = await mariadbConnection(base.href);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}
