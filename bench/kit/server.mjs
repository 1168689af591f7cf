// Scratch databases. Every measured piece gets a copy of one prepared template, so that all variants of a run begin
// with the same pages, statistics and visibility map; whatever happens, what was made here is dropped at the end.
import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Counts fit in a double here; the driver's default gives text. */
const int8 = 20;
const types = {
  /** @param {number} oid @param {any} format */
  getTypeParser: (oid, format) => (oid === int8 ? Number : pg.types.getTypeParser(oid, format)),
};

/**
 * @param {string} url
 * @returns {Promise<pg.Client>}
 */
export async function connect(url) {
  const client = new pg.Client({ connectionString: url, types, application_name: 'message-gc-bench' });
  await client.connect();
  return client;
}

/**
 * @template T
 * @param {string} url
 * @param {(client: pg.Client) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withClient(url, work) {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Owns the scratch databases of one benchmark. */
export class Server {
  /** @type {string} */
  #url;
  /** @type {Set<string>} */
  #made = new Set();
  #mark = `mgc_bench_${process.pid}_${randomBytes(3).toString('hex')}`;
  #next = 1;

  /** @param {string} url */
  constructor(url) {
    this.#url = url;
  }

  get url() {
    return this.#url;
  }

  /**
   * @param {string} [template] name of a database made here
   * @returns {Promise<{ name: string, url: string, drop: () => Promise<void> }>}
   */
  async create(template) {
    const name = `${this.#mark}_${this.#next}`;
    this.#next += 1;
    this.#made.add(name);
    // FILE_COPY: a copy through WAL would leave gigabytes of it to be checkpointed under the measured piece.
    const source = template === undefined ? '' : ` TEMPLATE ${template} STRATEGY FILE_COPY`;
    await this.#administer(`CREATE DATABASE ${name}${source}`);
    const url = new URL(this.#url);
    url.pathname = `/${name}`;
    return { name, url: url.href, drop: () => this.#drop(name) };
  }

  /**
   * A copy of a prepared database with the template's statistics and visibility map, no dirty pages, and no
   * checkpoint about to begin.
   * @template T
   * @param {string} template
   * @param {(copy: { name: string, url: string }) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async withCopy(template, work) {
    const copy = await this.create(template);
    try {
      await withClient(copy.url, (client) => client.query('CHECKPOINT'));
      return await work(copy);
    } finally {
      await copy.drop();
    }
  }

  /**
   * The first row of a question to the server itself.
   * @param {string} statement
   * @returns {Promise<any>}
   */
  async ask(statement) {
    return withClient(this.#url, async (client) => (await client.query(statement)).rows[0]);
  }

  /** As a result keeps it. */
  async versions() {
    const postgresql = await this.ask(
      `SELECT current_setting('server_version') AS version,
         (SELECT json_object_agg(name, setting || coalesce(unit, '')) FROM pg_settings
          WHERE name IN ('shared_buffers', 'max_wal_size', 'synchronous_commit', 'fsync', 'full_page_writes', 'autovacuum',
            'deadlock_timeout', 'checkpoint_timeout', 'work_mem', 'wal_level', 'block_size')) AS settings`,
    );
    return { postgresql };
  }

  /** Drops what is left. */
  async close() {
    for (const name of this.#made) await this.#drop(name);
  }

  /** @param {string} name */
  async #drop(name) {
    await this.#administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    this.#made.delete(name);
  }

  /** @param {string} statement */
  async #administer(statement) {
    await withClient(this.#url, (client) => client.query(statement));
  }
}

/** Fresh statistics and visibility map, nothing dirty. @param {string} url */
export async function settle(url) {
  await withClient(url, async (client) => {
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
  });
}
