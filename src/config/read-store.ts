import type { Mapping } from '../core/mapping.js';
import type { Dialect } from '../core/sql-tokens.js';
import { chooseDatabase, type Database } from './database.js';
import { durationSeconds, longestRetentionSeconds } from './duration.js';
import type { Environment } from './environment.js';
import { type MappingFile, readMappingFile, storeIn } from './mapping-file.js';
import { type OptionName, options } from './options.js';

/** Where the messages are, which they are and how long they are kept. */
export type StoreConfig = {
  readonly database: Database;
  /** Null: our own tables. */
  readonly mapping: Mapping | null;
  /** The file that the mapping is from; null: there is none. */
  readonly mappingFile: string | null;
  readonly retentionSeconds: number;
};

type Asked = {
  readonly env: Environment;
  /** The value of an option, its default, or null. */
  readonly given: (name: OptionName) => string | null;
  readonly problems: string[];
  /** False: the file is not looked at. */
  readonly useMapping: boolean;
};

/** The environment and the mapping file together; what is wrong is added to `problems`. */
export function readStore(asked: Asked): StoreConfig {
  const { given, problems } = asked;
  const read = asked.useMapping ? readMappingFile(given('config') ?? '') : null;
  const named = asked.env[options.config.env] ?? '';
  // Without this a misspelt path would mean our own tables, which would then be made in somebody else's database.
  if (asked.useMapping && read === null && named !== '') {
    problems.push(
      `${options.config.env} is "${named}", expected a file with a store mapping; there is none. Write one with "message-gc init --output ${named}", or unset it to collect tables of our own`,
    );
  }
  const file = read !== null && 'path' in read ? read : null;
  if (read !== null && 'problems' in read) problems.push(...read.problems);
  const database = databaseFor(asked, file);
  const found = file === null ? null : storeIn(file, database === null ? null : dialectOf(database));
  if (found !== null && 'problems' in found) problems.push(...found.problems);
  const stored = found !== null && 'mapping' in found ? found : null;
  const retentionSeconds = retentionFor(asked, file);
  return {
    database: database ?? { engine: 'pglite', folder: '', where: '' },
    mapping: stored?.mapping ?? null,
    mappingFile: file?.path ?? null,
    retentionSeconds: stored?.retentionSeconds ?? retentionSeconds,
  };
}

function dialectOf({ engine }: Database): Dialect {
  return engine === 'mysql' ? 'mysql' : 'postgresql';
}

/** A mapping states its retention itself: two places would leave open which of them rules. */
function retentionFor({ env, given, problems }: Asked, file: MappingFile | null): number {
  const text = given('retention') ?? '';
  const isGiven = (env['MESSAGE_GC_RETENTION'] ?? '') !== '';
  if (file !== null) {
    if (isGiven) {
      problems.push(
        `MESSAGE_GC_RETENTION is set, but ${file.path} holds a store mapping, whose own retention rules. Unset the variable`,
      );
    }
    return 0;
  }
  const seconds = durationSeconds(text);
  if (seconds === null) {
    problems.push(
      `MESSAGE_GC_RETENTION is "${text}", expected a number with its unit such as 30d, 12h, 45m, 90s, or 0`,
    );
  } else if (seconds > longestRetentionSeconds) {
    problems.push(`MESSAGE_GC_RETENTION is "${text}", expected at most 36500d`);
  }
  return seconds ?? 0;
}

/** Null: it cannot be told, and `problems` says why. */
function databaseFor(asked: Asked, file: MappingFile | null): Database | null {
  const { problems } = asked;
  const place = `${file?.yaml.place(['stores', 0, 'url']) ?? ''}: url`;
  const url = file?.url == null ? null : urlFor(asked, file.url, place);
  const ofFile = url === null ? null : chosen(asked, url, place);
  const isNamed = asked.given('databaseUrl') !== null || asked.given('dbEngine') !== null;
  if (file?.url != null && !isNamed) return ofFile;
  const ofEnvironment = chosen(asked, asked.given('databaseUrl'), 'DATABASE_URL');
  if (file?.url == null) return ofEnvironment;
  if (ofFile !== null && ofEnvironment !== null && addressOf(ofFile) !== addressOf(ofEnvironment)) {
    const other = asked.given('databaseUrl') === null ? 'WA_DB_ENGINE and its variables' : 'DATABASE_URL';
    problems.push(
      `${place} names ${ofFile.where}, but ${other} ${ofEnvironment.where}; expected one database. Take one of the two away`,
    );
  }
  return ofFile;
}

function addressOf(database: Database): string {
  return database.engine === 'pglite' ? database.where : database.url;
}

function urlFor({ env, problems }: Asked, text: string, place: string): string | null {
  const name = variableIn(text);
  if (name === null) return text;
  const value = env[name] ?? '';
  if (value === '') problems.push(`${place} is env:${name}, but that variable is not set`);
  return value === '' ? null : value;
}

/** The variable that `env:NAME` means; null: the text is none. */
function variableIn(url: string): string | null {
  return /^env:([A-Za-z_]\w*)$/.exec(url)?.[1] ?? null;
}

function chosen({ given, problems }: Asked, url: string | null, urlName: string): Database | null {
  const text = (name: OptionName): string => given(name) ?? '';
  const port = given('dbPort');
  const isPort = port === null || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
  if (!isPort) problems.push(`WA_DB_PORT is "${port}", expected a port number, 1 to 65535`);
  const database = chooseDatabase({
    url,
    urlName,
    engine: given('dbEngine'),
    hostname: text('dbHostname'),
    port: isPort ? port : null,
    username: given('dbUsername'),
    password: text('dbPassword'),
    namePrefix: text('dbNamePrefix'),
    ssl: { ca: given('dbSslCa'), cert: given('dbSslCert'), key: given('dbSslKey') },
    data: text('data'),
  });
  if (!('problem' in database)) return database;
  problems.push(database.problem);
  return null;
}
