// Everything that is measured beside the application: our profiles through the command line as anybody would start them,
// and what people do without the product. A collector works until the time is up or nothing is left, and tells how many
// rows it removed. One DELETE cannot be stopped: it takes what it takes.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { outputOf, startCommand } from '../kit/our-process.mjs';
import { connect } from '../kit/server.mjs';
import { nowMs } from '../kit/monotonic.mjs';

/**
 * @typedef {object} Done
 * @property {number} deleted  as the collector tells it
 * @property {number} fromMs   when its work began, on the machine's monotonic clock
 * @property {number} toMs     when it was over
 *
 * @typedef {object} Collector
 * @property {string} name
 * @property {boolean} [isOurs]
 * @property {(url: string, seconds: number) => Promise<Done>} run
 *
 * @typedef {import('./postgres-world.mjs').World} World
 */

/**
 * The product at a profile.
 * @param {World} world
 * @param {'gentle' | 'balanced' | 'full'} profile
 * @param {number | null} [maxRate]  messages a second, set as soon as the run is there
 * @param {string | null} [without]  a signal that is switched off
 * @returns {Collector}
 */
export function ours(world, profile, maxRate = null, without = null) {
  return {
    name: `${profile}${maxRate === null ? '' : ` at most ${maxRate.toLocaleString('en-US')} rows/s`}${without === null ? '' : ` without ${without}`}`,
    isOurs: true,
    async run(url, seconds) {
      const folder = mkdtempSync(join(tmpdir(), 'message-gc-bench-'));
      try {
        const mapping = join(folder, 'message-gc.yaml');
        writeFileSync(mapping, mappingFor(world.engine));
        const child = startCommand(['gc', '--yes', '--json', '--max-time', `${seconds}s`], {
          DATABASE_URL: url,
          MESSAGE_GC_CONFIG: mapping,
          MESSAGE_GC_PROFILE: profile,
          ...(without !== null && { MESSAGE_GC_SIGNALS: `${without}=off` }),
        });
        const ended = outputOf(child).then((output) => ({ ...output, toMs: nowMs() }));
        if (maxRate !== null) {
          while (child.exitCode === null && !(await world.setRate(url, maxRate))) await sleep(10);
        }
        const { code, stdout, stderr, toMs } = await ended;
        if (code !== 0 && code !== exitPaused)
          throw new Error(`message-gc gc ended with exit ${code}: ${stdout}${stderr}`);
        const { run } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
        // The run's row tells the time of the day; starting the program before it is no part of the run.
        const fromMs = nowMs() - (Date.now() - Date.parse(run.started_at));
        return { deleted: run.messages_deleted, fromMs, toMs };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

const exitPaused = 75;

/** @param {World['engine']} engine */
const mappingFor = (engine) => `stores:
  - name: bench
    table: bench_messages
    key: [id]
    age: {column: processed_at, unit: ${engine === 'postgresql' ? 'timestamptz' : 'datetime, zone: utc'}}
    retention: 0
    allow_zero_retention: true
    processed: {everything: true}
`;

const eligible = {
  postgresql: 'processed_at <= now()',
  mariadb: 'processed_at <= UTC_TIMESTAMP(6)',
};

/** @param {World} world @returns {Collector} */
export function oneDelete({ engine }) {
  return {
    name: 'one DELETE',
    run: (url) =>
      withStatements(engine, url, (write) =>
        timed(() => write(`DELETE FROM bench_messages WHERE ${eligible[engine]}`)),
      ),
  };
}

const loopRows = 1_000;

/**
 * The usual loop: a thousand rows, a commit, and again, with a sleep between if it is a careful one.
 * @param {World} world
 * @param {number} [sleepMs]
 * @returns {Collector}
 */
export function usualLoop({ engine }, sleepMs = 0) {
  const statement =
    engine === 'postgresql'
      ? `DELETE FROM bench_messages WHERE id IN (SELECT id FROM bench_messages WHERE ${eligible[engine]} LIMIT ${loopRows})`
      : // MariaDB knows no LIMIT in such a subquery; there the loop is written this way.
        `DELETE FROM bench_messages WHERE ${eligible[engine]} LIMIT ${loopRows}`;
  return {
    name: sleepMs === 0 ? 'the usual loop' : `the usual loop, sleeping ${sleepMs} ms`,
    run: (url, seconds) =>
      withStatements(engine, url, (write) =>
        timed(async () => {
          const deadline = nowMs() + seconds * 1_000;
          let deleted = 0;
          while (nowMs() < deadline) {
            const count = await write(statement);
            if (count === 0) break;
            deleted += count;
            if (sleepMs > 0) await sleep(sleepMs);
          }
          return deleted;
        }),
      ),
  };
}

/** About as many rows as a batch of `gentle` on MariaDB: every second key of these. */
const bareKeys = 200;

/**
 * Nothing but the deleting: short DELETEs by ranges of the key, evenly spread over the time, without ledger, signals or
 * anything else that makes a number true. What a run at that speed is felt beyond this is the product's own doing.
 * @param {World} world
 * @param {() => number} speed  rows a second; where so many short transactions are not to be had, as many as there are
 * @returns {Collector}
 */
export function bareDeletes({ engine, lastId }, speed) {
  return {
    name: bareName,
    run: (url, seconds) =>
      withStatements(engine, url, (write) =>
        timed(async () => {
          const fromMs = nowMs();
          const perMs = speed() / 1_000;
          let deleted = 0;
          for (let key = 0; key < lastId; key += bareKeys) {
            await sleep(Math.max(0, fromMs + deleted / perMs - nowMs()));
            if (nowMs() - fromMs >= seconds * 1_000) break;
            deleted += await write(
              `DELETE FROM bench_messages WHERE id > ${key} AND id <= ${key + bareKeys} AND ${eligible[engine]}`,
            );
          }
          return deleted;
        }),
      ),
  };
}
export const bareName = 'bare DELETEs at the speed of gentle';

/** Null when it is installed, else how to install it. */
export function whyNoArchiver() {
  return spawnSync('pt-archiver', ['--version']).status === 0
    ? null
    : 'pt-archiver is not here (Debian: apt-get install percona-toolkit): IT IS NOT MEASURED';
}

/** The fastest settings that were found, at a number of rows a chunk. @param {number} rows */
export function bestOfArchiver(rows) {
  return ['--limit', String(rows), '--bulk-delete', '--commit-each', '--primary-key-only'];
}

/**
 * @param {string} name
 * @param {readonly string[]} settings
 * @returns {Collector}
 */
export function archiver(name, settings) {
  return {
    name,
    async run(url, seconds) {
      const { hostname, port, username, pathname } = new URL(url);
      const source = `h=${hostname},P=${port},u=${username},D=${pathname.slice(1)},t=bench_messages,A=utf8mb4`;
      const fromMs = nowMs();
      const child = spawn(
        'pt-archiver',
        [
          '--source',
          source,
          '--where',
          eligible.mariadb,
          '--purge',
          '--statistics',
          '--run-time',
          `${seconds}s`,
          '--no-version-check',
          '--no-check-charset',
          ...settings,
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      const { code, stdout, stderr } = await outputOf(child);
      const toMs = nowMs();
      const deleted = /^DELETE (\d+)$/m.exec(stdout)?.[1];
      if (code !== 0 || deleted === undefined)
        throw new Error(`pt-archiver ended with exit ${code}: ${stdout}${stderr}`);
      return { deleted: Number(deleted), fromMs, toMs };
    },
  };
}

/** @param {() => Promise<number>} work gives back how many rows it removed @returns {Promise<Done>} */
async function timed(work) {
  const fromMs = nowMs();
  const deleted = await work();
  return { deleted, fromMs, toMs: nowMs() };
}

/**
 * @param {World['engine']} engine
 * @param {string} url
 * @param {(write: (statement: string) => Promise<number>) => Promise<Done>} work
 */
async function withStatements(engine, url, work) {
  if (engine === 'postgresql') {
    const client = await connect(url);
    try {
      return await work(async (statement) => (await client.query(statement)).rowCount ?? 0);
    } finally {
      await client.end();
    }
  }
  const connection = await mysql.createConnection(url);
  try {
    return await work(async (statement) => {
      const [done] = await connection.query(statement);
      return 'affectedRows' in done ? done.affectedRows : 0;
    });
  } finally {
    await connection.end();
  }
}
