// Writes the parts of the documentation that are made from tables in the code, between their markers:
//   <!-- generated: NAME --> … <!-- end: NAME -->
// and docs/message-gc.schema.json, which is the schema of the mapping file as the code has it.
// `node scripts/docs.mjs` writes them, `--check` only says what is stale (exit 1). Needs a build (npm run build).
// test/house/docs.test.ts renders the same parts from the sources, so stale documentation makes the tests red.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const schemaName = 'message-gc.schema.json';

/** A cell may hold neither a bar nor a line break. */
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
const code = (text) => `\`${text}\``;

function optionsTable(options) {
  return table(
    ['variable', 'default', 'meaning'],
    Object.values(options).map((option) => [
      code(option.env),
      option.default === null ? 'none' : option.default === '' ? 'empty' : code(option.default),
      `${option.says}${option.choices ? ` One of ${option.choices.map(code).join(', ')}.` : ''}${option.secret ? ' Secret: never printed.' : ''}`,
    ]),
  );
}

function metersTable(meters) {
  return table(
    ['meter', 'type', 'labels', 'meaning'],
    Object.entries(meters).map(([name, meter]) => [
      code(name),
      meter.type,
      meter.labels.length === 0 ? '–' : meter.labels.map(code).join(', '),
      meter.help,
    ]),
  );
}

function signalsTable(rules) {
  const limit = (value) => (value === null ? '–' : String(value));
  return table(
    ['signal', 'kind', 'unit', 'gentle', 'balanced', 'full', 'what it is'],
    Object.entries(rules).map(([name, { kind, unit, limits, says }]) => [
      code(name),
      kind,
      unit === '' ? '–' : unit,
      limit(limits.gentle),
      limit(limits.balanced),
      limit(limits.full),
      says,
    ]),
  );
}

function errorsTable(codes) {
  return table(
    ['code', 'title', 'usual HTTP status'],
    Object.entries(codes).map(([number, { title, status }]) => [code(number), title, String(status)]),
  );
}

/** What a setting takes is asked of its reader: an object is right for none of them. */
function settingsTable(settings, defaults) {
  const own = {
    'webhooks.url': defaults.webhookUrl,
    callback_backoff_delay_ms: defaults.callbackBackoffDelayMs,
    max_callback_backoff_delay_ms: defaults.maxCallbackBackoffDelayMs,
    heartbeat_interval: defaults.heartbeatIntervalS,
    unhealthy_interval: defaults.unhealthyIntervalS,
  };
  const shown = (value) => (value === undefined ? 'not shown' : code(JSON.stringify(value)));
  return table(
    ['setting', 'takes', 'shown until it is set', 'acts here'],
    [...settings].map(([name, entry]) => {
      const isOwn = name in own;
      return [
        code(name),
        entry.read({}).expected,
        shown(isOwn ? own[name] : entry.shown),
        isOwn ? 'yes' : 'no, kept and given back',
      ];
    }),
  );
}

/** `open`, `token` … as the guard knows them, in words. */
const admissions = {
  open: 'anybody',
  token: 'any valid token',
  gc: 'admin, or any valid token with `MESSAGE_GC_ALLOW_USERS=1`',
  admin: 'admin',
};

function routesTable(routes) {
  return table(
    ['method', 'path', 'who may'],
    routes.map(({ method, path, access }) => [code(method), code(path), admissions[access]]),
  );
}

/** What `--help` says of a command: its description and its options. */
function commandPart(command) {
  return `${command.description()}\n\n${commandTable(command)}`;
}

function commandTable(command) {
  return table(
    ['option', 'default', 'meaning'],
    command.options.map((option) => [
      code(option.flags),
      option.defaultValue === undefined
        ? option.mandatory
          ? 'required'
          : 'none'
        : code(String(option.defaultValue)),
      option.description,
    ]),
  );
}

/** Every field of a mapping, with what it takes and means; those of a list stand under `name[]`. */
function mappingTable(schema) {
  const rows = [];
  const walk = (node, path) => {
    if (path !== '') rows.push([code(path), node.title, node.description]);
    if (node['x-later'] === true) return;
    for (const [name, inner] of Object.entries(node.properties ?? {}))
      walk(inner, path === '' ? name : `${path}.${name}`);
    // A list of plain values, and the second level of what has been told, need no rows of their own.
    const items = node.items;
    if (items?.properties !== undefined && !path.endsWith('.dependents')) {
      for (const [name, inner] of Object.entries(items.properties)) walk(inner, `${path}[].${name}`);
    }
  };
  walk(schema.properties.stores.items, '');
  return table(['field', 'takes', 'meaning'], rows);
}

/** The text of docs/message-gc.schema.json. */
export function schemaFile(schema) {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Every generated part, by its name; `facts` are the tables of the code. */
export function generatedParts(facts) {
  return new Map([
    ['options', optionsTable(facts.options)],
    ['mapping fields', mappingTable(facts.mappingSchema)],
    ['settings', settingsTable(facts.settings, facts.defaultSettings)],
    ['meters', metersTable(facts.meters)],
    ['signals', signalsTable(facts.signals)],
    ['errors', errorsTable(facts.errors)],
    ['routes', routesTable(facts.routes)],
    ...facts.commands.map((command) => [`command ${command.name()}`, commandPart(command)]),
  ]);
}

/** The text with its generated parts renewed. Throws for a marker that names no part or is not closed. */
export function renewed(text, parts) {
  return text.replace(/<!-- generated: ([^>]+?) -->\n[\s\S]*?<!-- end: ([^>]+?) -->/g, (_all, name, end) => {
    const part = parts.get(name);
    if (part === undefined || end !== name) {
      throw new Error(
        `Documentation: the marker "${name}" (closed by "${end}") names no generated part. Known: ${[...parts.keys()].join(', ')}`,
      );
    }
    return `<!-- generated: ${name} -->\n${part}\n<!-- end: ${name} -->`;
  });
}

/**
 * The routes of modules such as webapp/routes/gc: what their functions hand to the HTTP server. They look at their
 * neighbours when they are called, not when they are made, so none are given.
 */
export function routesOf(modules) {
  return modules
    .flatMap((module) => Object.entries(module))
    .filter(([name]) => name.endsWith('Routes'))
    .flatMap(([, make]) => make({}, {}, {}))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

async function factsOfBuild() {
  const load = (file) => import(pathToFileURL(join(root, 'dist', file)).href);
  const loadAll = (folder) =>
    Promise.all(
      readdirSync(join(root, 'dist', folder))
        .filter((name) => name.endsWith('.js'))
        .sort()
        .map((name) => load(`${folder}/${name}`)),
    );
  const { Command } = await import('commander');
  const program = new Command('message-gc');
  for (const { register } of await loadAll('cli/commands')) register(program);
  return {
    options: (await load('config/options.js')).options,
    mappingSchema: (await load('config/mapping-schema.js')).mappingSchema,
    settings: (await load('wire/setting-table.js')).settingTable,
    defaultSettings: (await load('core/settings.js')).defaultSettings,
    meters: (await load('metrics/meter-table.js')).meterTable,
    signals: (await load('core/signals.js')).signalRules,
    errors: (await load('wire/error-envelope.js')).errorCodes,
    routes: routesOf(await loadAll('webapp/routes')),
    commands: program.commands,
  };
}

async function main() {
  const isCheck = process.argv.includes('--check');
  const facts = await factsOfBuild();
  const parts = generatedParts(facts);
  let stale = 0;
  const keep = (name, before, after) => {
    if (after === before) return;
    stale += 1;
    console.log(`docs/${name}: ${isCheck ? 'stale, run: node scripts/docs.mjs' : 'written'}`);
    if (!isCheck) writeFileSync(join(root, 'docs', name), after);
  };
  for (const name of readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))) {
    const before = readFileSync(join(root, 'docs', name), 'utf8');
    keep(name, before, renewed(before, parts));
  }
  const schema = join(root, 'docs', schemaName);
  keep(schemaName, existsSync(schema) ? readFileSync(schema, 'utf8') : '', schemaFile(facts.mappingSchema));
  if (stale === 0) console.log('the generated parts of the documentation are up to date');
  else if (isCheck) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
