/** Which server of the family stands at TEST_MARIADB_URL: some tests are about what only MariaDB has. */
import mysql from 'mysql2/promise';

export async function isMariadb(connection: mysql.Connection): Promise<boolean> {
  const [rows] = await connection.query('SELECT VERSION() AS version');
  return /mariadb/i.test((rows as { version: string }[])[0]?.version ?? '');
}

async function look(): Promise<boolean> {
  const url = process.env['TEST_MARIADB_URL'];
  if (url === undefined || url === '') return true;
  const connection = await mysql.createConnection(url);
  try {
    return await isMariadb(connection);
  } finally {
    await connection.end();
  }
}

/** False: it is MySQL. True also where there is no server, and every test of the family is skipped. */
export const onMariadb = await look();
