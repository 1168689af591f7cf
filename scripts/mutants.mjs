// Breaks the code on purpose, one guard at a time, and expects a test to go red: `npm run mutants`. A guard that can
// be taken out without a red test is not tested, whatever the coverage says.
//
//   node scripts/mutants.mjs              all of them, several minutes
//   node scripts/mutants.mjs fence tally  those with one of the words in their name
//   node scripts/mutants.mjs --check      only whether each can still be applied to the code, in milliseconds
//
// Needs a PostgreSQL server on which databases and roles may be created: TEST_POSTGRES_URL, or the local one.
// The checkout is not touched: everything happens in a copy in the temporary folder.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { changed, copyOf } from './mutants/copy.mjs';
import { mutants } from './mutants/list.mjs';
import { runTests } from './mutants/run-tests.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
if (process.argv[2] === '--check') process.exit(check());

const words = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
if (chosen.length === 0) {
  console.error(`mutants: none has ${words.map((word) => `"${word}"`).join(' or ')} in its name. They are:`);
  for (const { name } of mutants) console.error(`  ${name}`);
  process.exit(2);
}

process.env.TEST_POSTGRES_URL ??= 'postgres://postgres@127.0.0.1:5432/postgres';
const client = new pg.Client({
  connectionString: process.env.TEST_POSTGRES_URL,
  connectionTimeoutMillis: 5_000,
});
try {
  await client.connect();
  await client.end();
} catch (error) {
  console.error(
    `mutants: no PostgreSQL server answers at TEST_POSTGRES_URL or on 127.0.0.1:5432 (${error.message || error.code}); without one nothing can be shown`,
  );
  process.exit(2);
}

const startedAt = performance.now();
const copy = copyOf(root);
process.on('exit', copy.remove);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/** Whether the text of every mutant is in the code, once; the exit code. */
function check() {
  let wrong = 0;
  for (const { name, changes } of mutants) {
    try {
      for (const { file, from, to } of changes) {
        changed(readFileSync(join(root, file), 'utf8'), { file, from, to });
      }
    } catch (error) {
      wrong += 1;
      console.error(`mutants: "${name}" cannot be applied: ${error.message}`);
    }
  }
  if (wrong === 0) console.log(`${mutants.length} mutants can be applied`);
  return wrong === 0 ? 0 : 1;
}

/** Compiles the copy; answers what the compiler says, or null. */
function build() {
  const tsc = join(copy.folder, 'node_modules/typescript/bin/tsc');
  const done = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: copy.folder,
    encoding: 'utf8',
  });
  return done.status === 0 ? null : `${done.stdout}${done.stderr}`.trim();
}

function giveUp(reason) {
  console.error(reason);
  console.log(`0 passed, ${chosen.length} failed`);
  process.exit(1);
}

console.log(`${chosen.length} mutants in ${copy.folder}`);
const broken = build();
if (broken !== null) giveUp(`The code does not compile without a mutant:\n${broken}`);

// The control: without a mutant all of these tests are green, and every mutant has some.
const green = new Map();
for (const file of new Set(chosen.map(({ test }) => test))) {
  const patterns = chosen.filter(({ test }) => test === file).map(({ tests }) => tests);
  const { passed, failed, trouble } = runTests(copy.folder, file, [...new Set(patterns)].join('|'), {
    bail: false,
  });
  if (trouble !== null) giveUp(`control: ${trouble}`);
  if (failed.length > 0) {
    giveUp(
      `control: ${file} is red without a mutant:\n${failed.map((one) => `  ${one.name}: ${one.words}`).join('\n')}`,
    );
  }
  console.log(`control  ${file}: ${passed.length} green`);
  green.set(file, passed);
}

let killed = 0;
let survived = 0;
for (const mutant of chosen) {
  const { name, test, tests } = mutant;
  const from = performance.now();
  const tell = (verdict, why) =>
    console.log(`${verdict} ${name} (${((performance.now() - from) / 1_000).toFixed(0)} s)\n         ${why}`);
  if (!green.get(test).some((one) => new RegExp(tests).test(one))) {
    survived += 1;
    tell('SURVIVED', `no test in ${test} is named /${tests}/`);
    continue;
  }
  let undo;
  try {
    undo = copy.apply(mutant);
  } catch (error) {
    survived += 1;
    tell('SURVIVED', error.message);
    continue;
  }
  const complaint = build();
  const { failed, trouble } =
    complaint === null
      ? runTests(copy.folder, test, tests, { bail: true })
      : { failed: [], trouble: `it does not compile: ${complaint}` };
  undo();
  if (failed.length > 0) {
    killed += 1;
    tell('killed  ', `by "${failed[0].name}": ${failed[0].words.slice(0, 160)}`);
  } else {
    survived += 1;
    tell('SURVIVED', trouble ?? `all tests named /${tests}/ in ${test} stay green`);
  }
}

console.log(`${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`);
console.log(`${killed} passed, ${survived} failed`);
process.exit(survived === 0 ? 0 : 1);
