import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Mapping } from '../../src/core/mapping.js';
import { silentLog } from '../../src/kit/log.js';
import { openStore } from '../../src/storage/open-store.js';
import { createMariadbDatabase, mariadbClient } from '../harness/mariadb-database.js';
import { OwnServer } from '../harness/mariadb-server.js';
import { onMariadb } from '../harness/mysql-family.js';
import { missingServer } from '../signals/mariadb-run.js';
import { workshop } from './collect.js';

const missing = missingServer();

/** What a server may do to each new session of an ordinary user, each of which would cost messages or their number. */
const againstUs = [
  // The driver writes UTF-8 whatever the server takes it for: what is held would be called otherwise.
  'SET NAMES latin1',
  // Keys are read before they are deleted.
  'SET sql_select_limit = 3',
  'SET completion_type = 1',
  'SET sql_auto_is_null = 1',
];

describe.skipIf(missing !== null || !onMariadb)(
  'a server that changes every session',
  { timeout: 120_000 },
  () => {
    let server: OwnServer | null = null;
    beforeAll(async () => {
      server = await OwnServer.begin();
    }, 90_000);
    afterAll(async () => {
      await server?.stop();
    });

    const mapping: Mapping = {
      store: 'letters',
      table: { schema: null, name: 'letters' },
      key: ['id'],
      age: { column: 'done', unit: 'datetime', zone: 'UTC' },
      processed: `m.label <> 'gelöscht'`,
      holds: [{ name: 'kept', where: `m.label = 'für immer'` }],
      holdList: null,
      walk: null,
      dependents: [
        {
          table: { schema: null, name: 'pages' },
          match: [{ column: 'letter', message: 'id' }],
          action: 'delete',
        },
      ],
      foreignKeys: 'checked',
    };

    test.each(['checked', 'messages_first'] as const)(
      'is not obeyed: the words of the mapping mean what they say, and all is collected (%s)',
      async (foreignKeys) => {
        const base = new URL(`${server?.origin}/mysql`);
        const database = await createMariadbDatabase(base);
        onTestFinished(() => database.drop());
        const root = await mariadbClient(database.url);
        onTestFinished(() => root.end());
        await root.query(`
      CREATE TABLE letters (id varchar(40) NOT NULL PRIMARY KEY, label varchar(40) NOT NULL, done datetime(6), KEY (done)) CHARACTER SET utf8mb4;
      CREATE TABLE pages (no int AUTO_INCREMENT PRIMARY KEY, letter varchar(40) NOT NULL, FOREIGN KEY (letter) REFERENCES letters (id)) CHARACTER SET utf8mb4;
      INSERT INTO letters SELECT CONCAT('brief-ж-', seq), ELT(1 + seq % 4, 'für immer', 'weg', 'gelöscht', 'ж'), UTC_TIMESTAMP(6) - INTERVAL 2 HOUR FROM seq_1_to_80;
      INSERT INTO pages (letter) SELECT id FROM letters;
      CREATE OR REPLACE USER clerk@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON ${database.name}.* TO clerk@'127.0.0.1';
      SET GLOBAL init_connect = "${againstUs.join('; ')}"`);
        const url = new URL(database.url);
        url.username = 'clerk';
        url.password = 'secret';
        const store = openStore({ database: { engine: 'mysql', url: url.href }, workers: 2, log: silentLog });
        onTestFinished(() => store.close());
        const facts = await store.prepare({ migrate: true });
        const policy = { mapping: { ...mapping, foreignKeys }, retentionSeconds: 0 };

        const shop = await workshop({ store, facts, policy });
        expect(await shop.collect()).toMatchObject({
          state: 'complete',
          messagesDeleted: 40,
          dependentsDeleted: { pages: 40 },
        });
        const labels = await root.query(
          'SELECT label, count(*) AS n FROM letters GROUP BY label ORDER BY label',
        );
        expect(labels.rows.map((row) => Object.values(row as object).map(String))).toEqual([
          ['für immer', '20'],
          ['gelöscht', '20'],
        ]);
        const { rows } = await root.query(
          'SELECT 1 FROM pages LEFT JOIN letters ON letters.id = pages.letter WHERE letters.id IS NULL',
        );
        expect(rows).toEqual([]);
      },
    );
  },
);
