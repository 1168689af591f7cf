/**
 * The one source of what `message-gc.yaml` may hold, as JSON Schema (draft 7): the reader checks against it,
 * `message-gc config --schema` prints it, docs/message-gc.schema.json and the table in docs/mapping.md are made from it.
 *
 * `title` says what a field takes (the words after "expected" in an error), `description` what it means. `x-later`
 * marks what a later version brings: it is refused unless `off_by_default: true` stands beside it.
 */
export type FieldSchema = {
  readonly type: string | readonly string[];
  readonly title: string;
  readonly description: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
  readonly items?: FieldSchema;
  readonly additionalProperties?: false | FieldSchema;
  readonly [keyword: string]: unknown;
};

const remark = 'A remark: it is not acted upon.';

const name = (title: string, description: string): FieldSchema => ({
  type: 'string',
  minLength: 1,
  title,
  description,
});
const sql = (description: string): FieldSchema => ({
  type: 'string',
  minLength: 1,
  title: 'one SQL condition over the message as m',
  description,
});
const words = (description: string): FieldSchema => ({ type: 'string', title: 'a text', description });
const flag = (title: string, description: string): FieldSchema => ({ type: 'boolean', title, description });
const list = (title: string, description: string): FieldSchema => ({
  type: 'array',
  title,
  description,
  items: { type: 'string', title: 'a text', description: remark },
});
const offByDefault = flag(
  'true or false',
  'True: this part is switched off, it stands here as an offer. Take the line away, or write false, to switch it on.',
);

/** A field that a later version will know: today it may only stand there switched off. */
const later = (description: string): FieldSchema => ({
  type: 'object',
  title: 'nothing yet, or a part with off_by_default: true',
  description: `Comes with a later version. ${description}`,
  required: ['off_by_default'],
  properties: { off_by_default: { ...offByDefault, const: true, title: 'true' } },
  'x-later': true,
});
const laterActions = ['delete_if_unreferenced', 'delete_with'] as const;

const table: FieldSchema = {
  type: ['string', 'object'],
  title: 'a name, "schema.name", or {schema, name}',
  description:
    'Names are quoted exactly as they are written here, so mixed case and reserved words need nothing more. A name with a dot in it needs the form {schema, name}. Without a schema, the default one of the connection.',
  pattern: '^[^.]+(\\.[^.]+)?$',
  required: ['name'],
  properties: {
    schema: name('a schema (MySQL: a database)', 'The schema of the table.'),
    name: name('a table', 'The table.'),
  },
  additionalProperties: false,
};

const ruleApart = (description: string): FieldSchema => ({
  type: 'object',
  title: 'a part with where',
  description,
  required: ['where'],
  properties: {
    where: sql('More messages that count as processed; joined to processed.where with OR.'),
    off_by_default: offByDefault,
  },
  additionalProperties: false,
});

const dependent = (nested: FieldSchema): FieldSchema => ({
  type: 'object',
  title: 'a part with table, match and action',
  description: 'Rows of another table that go with a message.',
  required: ['table', 'match', 'action'],
  properties: {
    table,
    match: {
      type: 'object',
      title: 'pairs of columns {of the dependent: of the message}',
      description: 'Which rows belong to a message. Several pairs for a key of several columns.',
      minProperties: 1,
      additionalProperties: name('a column of the message', 'A column of the row above.'),
    },
    action: {
      type: 'string',
      enum: ['delete', 'set_null', 'leave_to_fk', 'keep', ...laterActions],
      title: 'delete, set_null, leave_to_fk or keep',
      description:
        'delete, set_null: done and counted by message-gc, in the transaction of the message. leave_to_fk: ON DELETE of the foreign key does it, uncounted. keep: the rows stay. (delete_if_unreferenced and delete_with come with a later version.)',
    },
    order: {
      type: 'number',
      title: 'a number',
      description: 'Smaller goes first; equal ones in the order of the file, those without a number last.',
    },
    off_by_default: offByDefault,
    dependents: nested,
    where: later('A condition on the rows that go.'),
    fk: words(`What the foreign key does. ${remark}`),
    index: words(`The index on the matched columns. ${remark}`),
    self: flag('true or false', `The table is the messages table itself. ${remark}`),
    outside: words(`What the rows name outside of the database. ${remark}`),
    trigger: words(`What a trigger on the table does. ${remark}`),
    referenced_by: list('a list of texts', `Who else refers to the rows. ${remark}`),
  },
  additionalProperties: false,
  if: { properties: { action: { not: { enum: laterActions } } } },
  else: { required: ['off_by_default'], properties: { off_by_default: { const: true } }, 'x-later': true },
});

const store: FieldSchema = {
  type: 'object',
  title: 'a store: name, table, key, age, retention, processed',
  description: 'One database with one table of messages.',
  required: ['table', 'key', 'age', 'retention', 'processed'],
  properties: {
    name: {
      ...name('letters, digits, ".", "_" and "-", at most 64', 'The name of the store.'),
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
    },
    store: {
      ...name('letters, digits, ".", "_" and "-", at most 64', 'The same as name; one of the two is needed.'),
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
    },
    url: {
      ...name(
        'postgres://…, mysql://…, pglite:DIR, or env:NAME',
        'The database, as in DATABASE_URL; env:NAME takes it from that variable, so that no password stands here. Without it, the database that the environment names.',
      ),
      'x-secret': true,
    },
    engine: {
      type: 'string',
      enum: ['postgresql', 'mysql', 'mariadb'],
      title: 'postgresql, mysql or mariadb',
      description: 'What the SQL of this mapping is written for; another database is refused.',
    },
    table: { ...table, description: `The table of messages. ${table.description}` },
    key: {
      type: 'array',
      minItems: 1,
      title: 'a list of columns, such as [id]',
      description: 'The columns of the primary key or of a unique key without NULL, in its order.',
      items: {
        type: ['string', 'object'],
        minLength: 1,
        title: 'a column, or {column, type}',
        description: 'A column of the key. The type is a remark: the database compares, message-gc does not.',
        required: ['column'],
        properties: { column: name('a column', 'The column.'), type: words(`Its type. ${remark}`) },
        additionalProperties: false,
      },
    },
    age: {
      type: 'object',
      title: 'a part with column and unit',
      description:
        'How old a message is. NULL, 0 and a zero date are no age: such a message is never eligible.',
      required: ['column', 'unit'],
      properties: {
        column: name('a column', 'The column of the age: one that nothing sets anew, so not updated_at.'),
        unit: {
          type: 'string',
          enum: ['timestamptz', 'timestamp', 'datetime', 'epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns'],
          title: 'timestamptz, timestamp, datetime, epoch_s, epoch_ms, epoch_us or epoch_ns',
          description:
            'timestamptz: a moment (PostgreSQL timestamptz; TIMESTAMP of MySQL). timestamp and datetime, the same: a reading of a clock without its zone (PostgreSQL timestamp, DATETIME of MySQL), which zone completes. epoch_…: a number since 1970-01-01 UTC in seconds, milli-, micro- or nanoseconds.',
        },
        zone: name(
          'utc, an offset such as +02:00, or a zone such as Europe/Berlin',
          'For timestamp and datetime only: the zone in which the application writes.',
        ),
        index: words(`The index on the column. ${remark}`),
        invalid: later('Which further values are no age.'),
      },
      additionalProperties: false,
    },
    retention: {
      type: ['string', 'integer'],
      pattern: '^(0|[0-9]{1,9}(s|m|h|d))$',
      minimum: 0,
      maximum: 0,
      title: 'how long to keep, with its unit: 30d, 12h, 45m or 90s (or 0 with allow_zero_retention: true)',
      description: 'Messages younger than this stay. It has no default: state it. At most 36500d.',
    },
    allow_zero_retention: flag('true or false', 'True: retention 0 is meant.'),
    processed: {
      type: 'object',
      title: 'a part with where',
      description: 'When a message is done with. Nothing else is ever deleted; NULL means no.',
      properties: {
        where: sql(
          'The condition. Name final states, so that an unknown one stays; EXISTS may ask other tables; :now is the time of the horizon in the unit of the age.',
        ),
        everything: flag('true or false', 'True: every message that is old enough is processed.'),
        evidence_in: list('a list of tables', `Tables that where asks. ${remark}`),
        legacy: ruleApart('Messages from before the states were written.'),
        stale: ruleApart('Messages that were left in an unfinished state.'),
      },
      additionalProperties: false,
    },
    hold: {
      type: 'array',
      title: 'a list of parts with where',
      description: 'What is kept whatever its age.',
      items: {
        type: 'object',
        title: 'a part with where',
        description: 'A hold.',
        required: ['where'],
        properties: {
          name: name('a name', 'Its name in the dry run; without it hold_1, hold_2, …'),
          where: sql('Messages for which this is true stay.'),
          off_by_default: offByDefault,
        },
        additionalProperties: false,
      },
    },
    hold_list: {
      type: 'object',
      title: '{contact: column}',
      description: 'What the list of holds that message-gc keeps may name, beside keys.',
      required: ['contact'],
      properties: { contact: name('a column', 'The column that says whom a message came from or went to.') },
      additionalProperties: false,
    },
    dependents: {
      type: 'array',
      title: 'a list of parts with table, match and action',
      description: 'Rows of other tables that go with a message.',
      items: dependent({
        type: 'array',
        title: 'a list of parts with table, match and action',
        description: 'Rows that go with these rows; only below delete, and no third level.',
        items: dependent({
          type: 'array',
          maxItems: 0,
          title: 'nothing: dependents go two levels deep',
          description: 'There is no third level.',
        }),
      }),
    },
    foreign_keys: {
      type: 'string',
      enum: ['checked', 'messages_first'],
      title: 'checked or messages_first',
      description:
        'checked, the default: the server checks foreign keys. messages_first: they are left out where message-gc has verified that nothing can be left behind.',
    },
    walk: {
      type: 'string',
      enum: ['auto', 'key', 'age', 'blocks'],
      title: 'auto, key, age or blocks',
      description:
        'In which order the table is walked; auto, the default, chooses by cost. blocks: PostgreSQL only.',
    },
    keep_last: later('The newest messages of each group stay.'),
    unit: later('Rows that form one message.'),
    tenants: later('Limits for each tenant.'),
    scope: later('Limits for each tenant.'),
    archive: later('Archive before delete.'),
    batch: {
      type: 'object',
      title: 'a part',
      description: `Sizes of batches are found while they run. ${remark}`,
    },
    needs_index: list('a list of texts', `Indexes that a run misses. ${remark}`),
    after: list('a list of texts', `What to do after a run. ${remark} It is not run.`),
    parents_left_alone: list('a list of tables', `Tables that messages refer to. ${remark}`),
    coexists_with: words(`Another collector of the same table. ${remark}`),
    soft_delete: {
      type: 'object',
      title: 'a part',
      description: `How the application marks deletion. ${remark}`,
    },
  },
  additionalProperties: false,
};

export const mappingSchema: FieldSchema & { readonly $schema: string; readonly $id: string } = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'message-gc.schema.json',
  type: 'object',
  title: 'stores: and below it a list with one store',
  description: 'Store mappings of message-gc (message-gc.yaml).',
  required: ['stores'],
  properties: {
    stores: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      title: 'a list with one store',
      description: 'The stores. This version takes exactly one.',
      items: store,
    },
  },
  additionalProperties: false,
};
