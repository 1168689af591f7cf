/**
 * The application whose table is being collected: its own connections, its own transactions. It writes down every
 * error with its SQLSTATE and every wait, because "the application is never the victim" is what the races assert.
 */
import pg from 'pg';

/** Errors that the application would see only because of us: deadlock, lock time-out, serialization, cancel. */
export const victimCodes = ['40P01', '55P03', '40001', '57014'] as const;

export type Random = () => number;
export type Work = (session: Session) => Promise<void>;

/** One connection of the application. `number` lets its work stay on rows that no other session touches. */
export type Session = {
  readonly number: number;
  readonly sessions: number;
  readonly random: Random;
  query(sql: string, values?: readonly unknown[]): Promise<pg.QueryResult>;
};

export class Application {
  readonly #url: string;
  readonly #seed: number;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;
  /** How often each SQLSTATE was met. */
  readonly errors = new Map<string, number>();
  /** Transactions committed. */
  committed = 0;
  /** Longest single statement, in milliseconds: what the application waited for us at worst. */
  longestMs = 0;
  /** Statements that took longer than this were in somebody's way. */
  waits = 0;

  constructor(url: string, seed = 1) {
    this.#url = url;
    this.#seed = seed;
  }

  count(code: string): number {
    return this.errors.get(code) ?? 0;
  }

  /**
   * Runs `work` as a transaction again and again on each of `sessions` connections while `goOn` says so. An error
   * rolls that transaction back and is counted by its code; one without an SQLSTATE is a defect of the test and thrown.
   */
  async run(sessions: number, goOn: () => boolean, work: Work): Promise<void> {
    const all = Promise.all(
      Array.from({ length: sessions }, (_, number) => this.#session(number, sessions, goOn, work)),
    );
    // Kept, so that a test which fails elsewhere can end it; whoever awaits this call sees the failure itself.
    this.#running.add(all.catch(() => undefined));
    await all;
  }

  /** Ends what still runs, for a test that failed in the middle of a race. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running);
  }

  /** Locks these rows in a transaction of its own until `release`. */
  async hold(keys: readonly string[]): Promise<{ release(): Promise<void> }> {
    const client = await this.#connect('holder');
    await client.query('BEGIN');
    await client.query('SELECT id FROM messages WHERE id = ANY($1::bigint[]) FOR UPDATE', [keys]);
    return {
      release: async () => {
        await client.query('ROLLBACK');
        await client.end();
      },
    };
  }

  async #session(number: number, sessions: number, goOn: () => boolean, work: Work): Promise<void> {
    const client = await this.#connect(`session ${number}`);
    const session: Session = {
      number,
      sessions,
      random: mulberry(this.#seed * 1_000 + number),
      query: (sql, values = []) => this.#timed(client, sql, values),
    };
    try {
      while (!this.#closed && goOn()) {
        try {
          await client.query('BEGIN');
          await work(session);
          await client.query('COMMIT');
          this.committed += 1;
        } catch (cause) {
          const code = cause instanceof pg.DatabaseError ? cause.code : undefined;
          if (code === undefined) throw cause;
          this.errors.set(code, this.count(code) + 1);
          await client.query('ROLLBACK');
        }
      }
    } finally {
      await client.end();
    }
  }

  async #timed(client: pg.Client, sql: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    const from = performance.now();
    try {
      return await client.query(sql, [...values]);
    } finally {
      const ms = performance.now() - from;
      this.longestMs = Math.max(this.longestMs, ms);
      if (ms > waitedMs) this.waits += 1;
    }
  }

  async #connect(name: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url, application_name: `the test: ${name}` });
    // A connection that is lost rejects its query too, and that is where it is counted.
    client.on('error', () => undefined);
    await client.connect();
    // Without waiting for the disk there are several times as many transactions, and so crossings, in the same time.
    await client.query('SET synchronous_commit = off');
    return client;
  }
}

/** A single-row statement takes well under 5 ms on an idle row, also on a busy two-core machine, most of the time. */
const waitedMs = 5;

/** A small seeded generator: a race that fails can be begun again with the same choices. */
function mulberry(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Copies of a row that is there: the tests need messages and receipts, not their columns. Columns that the database
 * fills by itself and columns that must be unique are left out or made up.
 */
export class RowMaker {
  readonly #table: string;
  readonly #pattern: Readonly<Record<string, unknown>>;
  readonly #unique: readonly string[];
  #made = 0;

  private constructor(table: string, pattern: Readonly<Record<string, unknown>>, unique: readonly string[]) {
    this.#table = table;
    this.#pattern = pattern;
    this.#unique = unique;
  }

  static async like(client: pg.Client, table: 'messages' | 'message_receipts'): Promise<RowMaker> {
    const { rows } = await client.query<{ row: Record<string, unknown> }>(
      `SELECT to_jsonb(t) AS row FROM ${table} t LIMIT 1`,
    );
    const pattern = rows[0]?.row;
    if (pattern === undefined) throw new Error(`The table ${table} is empty; there is no row to copy.`);
    const columns = await client.query<{ name: string; made: boolean; is_unique: boolean }>(
      `SELECT a.attname AS name, a.attidentity <> '' OR a.attgenerated <> ''
              OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval%', false) AS made,
              EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
                      AND i.indnatts = 1 AND i.indkey[0] = a.attnum) AS is_unique
       FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
       WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped`,
      [table],
    );
    const given = Object.fromEntries(
      columns.rows.filter(({ made }) => !made).map(({ name }) => [name, pattern[name] ?? null]),
    );
    const unique = columns.rows.filter(({ made, is_unique }) => !made && is_unique).map(({ name }) => name);
    return new RowMaker(table, given, unique);
  }

  /** An INSERT of one row; `fields` replace what was copied (an `id` too, even where the database would give it). */
  insert(
    session: Pick<Session, 'query' | 'number'>,
    fields: Readonly<Record<string, unknown>>,
  ): Promise<pg.QueryResult> {
    this.#made += 1;
    const made = Object.fromEntries(
      this.#unique
        .filter((name) => typeof this.#pattern[name] === 'string')
        .map((name) => [name, `test-${session.number}-${this.#made}-${Math.random()}`]),
    );
    const row = { ...this.#pattern, ...made, ...fields };
    const names = Object.keys(row)
      .map((name) => `"${name}"`)
      .join(', ');
    return session.query(
      `INSERT INTO ${this.#table} (${names}) OVERRIDING SYSTEM VALUE
       SELECT ${names} FROM jsonb_populate_record(NULL::${this.#table}, $1::jsonb) ON CONFLICT DO NOTHING`,
      [JSON.stringify(row)],
    );
  }
}
