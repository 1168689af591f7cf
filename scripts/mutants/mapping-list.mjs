// The mutants of what a mapping brings: replies, two levels, the hold list, foreign keys that nobody named.

const selfReference = 'test/mapping/self-reference.test.ts';
const levels = 'test/mapping/dependents.test.ts';
const holds = 'test/mapping/holds.test.ts';

/** @type {readonly import('./list.mjs').Mutant[]} */
export const mappingMutants = [
  {
    name: 'what is no age is taken for one beside a range of keys',
    changes: [
      {
        file: 'src/storage/postgres/eligible.ts',
        from: "${place === 'anywhere' ? '>' : '<>'} '-infinity'",
        to: "${place === 'anywhere' ? '>' : '>='} '-infinity'",
      },
    ],
    test: 'test/mapping/tables.test.ts',
    tests: 'walked by key, with ages in timestamptz',
  },
  {
    name: 'a reference of the messages to themselves is cleared before the message is locked',
    changes: [
      {
        file: 'src/storage/postgres/dependents.ts',
        from: 'WHERE ${where} ${lock})',
        to: "WHERE ${where} ${lock === 'FOR UPDATE' ? '' : lock})",
      },
    ],
    test: selfReference,
    tests: 'waits and is refused by its own check \\(checked, skipping locked rows: false',
  },
  {
    name: 'a reference of the messages to themselves is not cleared',
    changes: [
      {
        file: 'src/storage/postgres/levels.ts',
        from: "return action === 'delete' || action === 'set_null';",
        to: "return action === 'delete';",
      },
    ],
    test: selfReference,
    tests: 'is cleared in the messages that stay, and only the old go \\(checked',
  },
  {
    name: 'a reference of the messages to themselves that nobody names is passed over',
    changes: [
      {
        file: 'src/storage/postgres/named-foreign-keys.ts',
        from: 'if (words !== null) throw unfit(',
        to: "if (words === '') throw unfit(",
      },
    ],
    test: 'test/mapping/refusals.test.ts',
    tests: 'a reference to itself with CASCADE that nobody names',
  },
  {
    name: 'the second level is left out',
    changes: [
      {
        file: 'src/storage/postgres/dependents.ts',
        from: '      await below(level.place, gone);\n',
        to: "      if (level.place === '') await below(level.place, gone);\n",
      },
    ],
    test: levels,
    tests: 'two levels down \\(messages_first, delete',
  },
  {
    name: 'the hold list is left out',
    changes: [
      {
        file: 'src/storage/postgres/held.ts',
        from: "return holds === '' ? eligible",
        to: "return holds !== '' ? eligible",
      },
    ],
    test: holds,
    tests: 'keeps what it names',
  },
  {
    name: 'the hold list is read before the span is locked',
    changes: [
      {
        file: 'src/storage/postgres/span-row.ts',
        from: '    heldSql,\n  );\n  const answers = await inOneTrip(client, statements);',
        to: '    heldSql,\n  );\n  const early = (await client.query(heldSql)).rows;\n  const answers = await inOneTrip(client, statements);',
      },
      {
        file: 'src/storage/postgres/span-row.ts',
        from: 'const held = answers.at(-1)?.rows[0] as Held | undefined;',
        to: 'const held = early[0] as Held | undefined;',
      },
    ],
    test: holds,
    tests: 'had to wait for its span',
  },
  {
    name: 'an addition to the hold list waits for nobody',
    changes: [
      {
        file: 'src/storage/ledger/holds.ts',
        from: "where('span.state', '=', 'leased')",
        to: "where('span.state', '=', 'closed')",
      },
    ],
    test: holds,
    tests: 'is waited for by name',
  },
  {
    name: 'a new foreign key into the messages is passed over with the checks on',
    changes: [
      {
        file: 'src/storage/postgres/span-row.ts',
        from: '  guards.unshift(...tableGuards(plan));\n',
        to: '  guards.unshift(...tableGuards(plan).slice(9));\n',
      },
    ],
    test: 'test/mapping/refusals.test.ts',
    tests: 'ends as failed with its true count when the table is referred to',
  },
  {
    name: 'a message is deleted whose dependent is locked',
    changes: [
      {
        file: 'src/storage/postgres/delete-skipping-locked.ts',
        from: 'NOT IN (SELECT t, c FROM free)`',
        to: 'NOT IN (SELECT t, c FROM free) AND false`',
      },
    ],
    test: 'test/guards/dependents.test.ts',
    tests: 'a row of message_receipts that the application holds parks its message',
  },
];
