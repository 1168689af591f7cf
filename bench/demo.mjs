// How long `npm run demo` takes once everything is installed and built, and how fast it seeds.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runIfCalled } from './kit/benchmark.mjs';
import { median } from './kit/figures.mjs';
import { outputOf, runCommand } from './kit/our-process.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @type {import('./kit/benchmark.mjs').Benchmark} */
export const benchmark = {
  name: 'demo',
  asks: 'How long does npm run demo take, and how fast does it seed the embedded database?',
  async measure({ options, report }) {
    const rows = options.rows ?? 200_000;
    /** @type {number[]} */
    const seconds = [];
    /** @type {number[]} */
    const seeding = [];
    for (let repeat = 1; repeat <= options.repeats; repeat += 1) {
      await report.listenForNeighbours();
      const { ms, told } = await demo(rows);
      report.check(`repeat ${repeat}: messages before`, told.before.messages, rows);
      const gone = told.before.messages - told.after.messages;
      report.check(`repeat ${repeat}: processed messages gone`, gone, told.before.processed);
      report.check(`repeat ${repeat}: told by the callback`, deletedOf(told.callback), gone);
      // Starting the embedded database once more is most of a smoke test's time.
      const perSecond = options.smoke ? Number.NaN : await seedSpeed(rows);
      seconds.push(ms / 1_000);
      seeding.push(perSecond);
      report.sample('demo', { repeat, ms, collectMs: told.milliseconds, seededPerSecond: perSecond });
      report.say(`${Math.round(ms)} ms (repeat ${repeat} of ${options.repeats})`);
    }
    report.line(
      'npm run demo',
      `${median(seconds).toFixed(1)} s`,
      `${rows.toLocaleString('en-US')} messages`,
    );
    if (!options.smoke)
      report.line('seed alone', `${Math.round(median(seeding)).toLocaleString('en-US')} messages/s`);
    report.target('npm run demo', { value: median(seconds), byRepeat: seconds }, 'at most', 60, 's');
  },
};

/** @param {number} rows */
async function demo(rows) {
  const { DATABASE_URL: _url, WA_DB_ENGINE: _engine, ...environment } = process.env;
  const startedAt = performance.now();
  const child = spawn('npm', ['run', '--silent', 'demo', '--', '--json', '--rows', String(rows)], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  const { code, stdout, stderr } = await outputOf(child);
  const ms = performance.now() - startedAt;
  if (code !== 0) throw new Error(`npm run demo ended with exit ${code}: ${stdout}${stderr}`);
  return { ms, told: JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null') };
}

/** Messages a second of the command `seed` on a new embedded database, making it included. @param {number} rows */
async function seedSpeed(rows) {
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-bench-'));
  try {
    const { ms } = await runCommand(['seed', '--rows', String(rows), '--json'], {
      MESSAGE_GC_DATA: join(folder, 'data'),
    });
    return (rows * 1_000) / ms;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {any} callback @returns {number} */
function deletedOf(callback) {
  return callback?.services?.[0]?.message?.gc?.messages_deleted ?? -1;
}

await runIfCalled(benchmark, import.meta.url);
