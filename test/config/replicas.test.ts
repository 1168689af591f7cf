import { expect, test } from 'vitest';
import { readConfig } from '../../src/config/read-config.js';
import { Refusal } from '../../src/core/errors.js';

const mysql = 'mysql://gc@db1/chat';

function replicas(text: string, databaseUrl: string): readonly string[] {
  return readConfig({ DATABASE_URL: databaseUrl, MESSAGE_GC_REPLICAS: text }).signalSources.replicas;
}

test('replicas are addresses with spaces between', () => {
  expect(replicas(' mysql://gc@db2/chat  mariadb://gc@db3:3307/chat ', mysql)).toEqual([
    'mysql://gc@db2/chat',
    'mariadb://gc@db3:3307/chat',
  ]);
  expect(replicas('', 'postgres://gc@db1/chat')).toEqual([]);
});

test.each([
  ['db2:3306', mysql, /has an address that does not begin with mysql:\/\//],
  ['mysql://gc@db2/chat postgres://gc:Geheim-7@db3/chat', mysql, /does not begin with mysql:\/\//],
  ['mysql://gc@db2/chat', 'postgres://gc@db1/chat', /PostgreSQL tells of its replicas itself. Unset it/],
  ['mysql://gc@db2/chat', '', /the database is no MariaDB or MySQL server/],
])('%s beside %s is refused with words and without its password', (text, databaseUrl, words) => {
  expect(() => replicas(text, databaseUrl)).toThrow(Refusal);
  expect(() => replicas(text, databaseUrl)).toThrow(words);
  expect(() => replicas(text, databaseUrl)).not.toThrow(/Geheim/);
});
