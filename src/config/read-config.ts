import { hostname } from 'node:os';
import { Refusal } from '../core/errors.js';
import type { LogLevel } from '../kit/log.js';
import type { SignalChoices, SignalSources } from '../core/signals.js';
import { type Address, parseAddress } from './address.js';
import type { Environment } from './environment.js';
import { type Option, type OptionName, options, type Profile, type Role } from './options.js';
import { readSignalChoices } from './signal-choices.js';
import { readStore, type StoreConfig } from './read-store.js';

/** All options, parsed. */
export type Config = StoreConfig & {
  readonly listen: Address;
  readonly control: Address;
  /** Host part of the node name. */
  readonly host: string;
  /** COREAPP_HOSTNAME names it; otherwise the machine does. */
  readonly isHostGiven: boolean;
  /** Host in "Please check if wacore is running": decision 19. */
  readonly coreHost: string;
  readonly nodeId: string | undefined;
  readonly profile: Profile;
  /** Null: as many as the profile has. */
  readonly workers: number | null;
  readonly adminPassword: string | null;
  readonly allowUsers: boolean;
  readonly requireHttps: boolean;
  readonly jwtKey: string | null;
  readonly logLevel: LogLevel;
  readonly signalChoices: SignalChoices;
  readonly signalSources: SignalSources;
  readonly summaryCallback: boolean;
  readonly stopFile: string;
  /** Never null with the roles webapp and coreapp. */
  readonly clusterSecret: string | null;
};

/** Options of later versions that would be missed: without them something would be done that was not asked for. */
const notYet = {
  MESSAGE_GC_WEBHOOK_SECRET: 'this version does not sign callbacks. Unset it to send them unsigned',
} as const;

/**
 * A misspelt MESSAGE_GC_RETENTION would mean a retention of 0. Kubernetes gives every container of a namespace the
 * variables of the Services there: of one named message-gc-webapp MESSAGE_GC_WEBAPP_SERVICE_HOST,
 * MESSAGE_GC_WEBAPP_PORT_9090_TCP, … Those are no options, and known by the host that comes with each Service.
 */
function isKnown(name: string, env: Environment): boolean {
  return (
    Object.values<Option>(options).some((option) => option.env === name) ||
    name in notYet ||
    [...name.matchAll(/_(?:SERVICE_|PORT(?:_|$))/g)].some(
      ({ index }) => env[`${name.slice(0, index)}_SERVICE_HOST`] !== undefined,
    )
  );
}

/**
 * Throws one Refusal (exit 2) that lists every problem found, each with what was expected.
 *
 * @param read.useMapping false: the mapping file is not looked at (the demo has a world of its own)
 * @param read.role what `serve` is to be; null: it was not said
 */
export function readConfig(
  env: Environment,
  read: { readonly useMapping?: boolean; readonly role?: Role | null } = {},
): Config {
  const problems: string[] = [];
  const given = (name: OptionName): string | null => {
    const option: Option = options[name];
    const value = env[option.env];
    if (value === undefined || value === '') return option.default;
    if (option.choices !== undefined && !option.choices.includes(value)) {
      problems.push(`${option.env} is "${value}", expected ${option.choices.join(', ')}`);
      return option.default;
    }
    return value;
  };
  const text = (name: OptionName): string => given(name) ?? '';
  const address = (name: 'listen' | 'controlListen'): Address => {
    const parsed = parseAddress(text(name));
    if (parsed !== null) return parsed;
    problems.push(
      `${options[name].env} is "${text(name)}", expected host:port, for example ${options[name].default}`,
    );
    return { host: '127.0.0.1', port: 0 };
  };

  const store = readStore({ env, given, problems, useMapping: read.useMapping !== false });
  for (const name of Object.keys(env)) {
    if (name.startsWith('MESSAGE_GC_') && !isKnown(name, env))
      problems.push(`${name} is no option; "message-gc config" lists them all`);
  }
  const nodeId = given('nodeId');
  if (nodeId !== null && !/^[0-9a-f]{12}$/.test(nodeId)) {
    problems.push(`MESSAGE_GC_NODE_ID is "${nodeId}", expected 12 characters of 0-9a-f`);
  }
  const host = given('coreappHostname') ?? hostname();
  if (/[\s:"]/.test(host))
    problems.push(`COREAPP_HOSTNAME is "${host}", expected a host name without spaces or colons`);
  const adminPassword = given('adminPassword');
  if (adminPassword !== null && (adminPassword.length < 8 || adminPassword.length > 64)) {
    problems.push(`MESSAGE_GC_ADMIN_PASSWORD has ${adminPassword.length} characters, expected 8 to 64`);
  }
  const jwtKey = given('jwtKey');
  if (jwtKey !== null && jwtKey.length < 16) {
    problems.push(`WA_WEB_JWT_CRYPTO_KEY has ${jwtKey.length} characters, expected at least 16`);
  }
  for (const [name, words] of Object.entries(notYet)) {
    const value = env[name];
    if (value !== undefined && value !== '' && value !== '0') problems.push(`${name} is set: ${words}`);
  }
  const clusterSecret = given('clusterSecret');
  problems.push(...clusterProblems(read.role, given('multiconnect') === '1', clusterSecret));
  // Everything is read before anything is thrown: a value that is read later is one that nobody checks.
  const rest = {
    listen: address('listen'),
    control: address('controlListen'),
    profile: text('profile') as Profile,
    workers: workersOf(given('workers'), problems),
    allowUsers: text('allowUsers') === '1',
    requireHttps: text('requireHttps') === '1',
    logLevel: text('logLevel') as LogLevel,
    signalChoices: readSignalChoices(text('signals'), problems),
    signalSources: {
      cores: cores(given('databaseCores'), problems),
      checkSql: given('checkSql'),
      replicas: replicas(given('replicas') ?? '', store.database, problems),
    },
    summaryCallback: text('summaryCallback') === '1',
    stopFile: text('stopFile'),
  };
  if (problems.length > 0) {
    throw new Refusal(
      'configuration',
      `The configuration cannot be used:\n${[...new Set(problems)].map((words) => `  - ${words}`).join('\n')}`,
    );
  }
  return {
    ...rest,
    ...store,
    host,
    isHostGiven: given('coreappHostname') !== null,
    coreHost: given('coreappHostname') ?? 'wacore',
    nodeId: nodeId ?? undefined,
    adminPassword,
    jwtKey,
    clusterSecret,
  };
}

/** What else is wrong with an address is said where it is opened. */
function replicas(text: string, database: StoreConfig['database'], problems: string[]): readonly string[] {
  const urls = text.split(/\s+/).filter((url) => url !== '');
  // Without a folder: which database it is could not be told, and that is a problem of its own.
  const isKnown = database.engine !== 'pglite' || database.folder !== '';
  if (urls.length > 0 && isKnown && database.engine !== 'mysql') {
    problems.push(
      'MESSAGE_GC_REPLICAS is set, but the database is no MariaDB or MySQL server; PostgreSQL tells of its replicas itself. Unset it',
    );
  } else if (urls.some((url) => !/^(mysql|mariadb):\/\//.test(url))) {
    problems.push(
      'MESSAGE_GC_REPLICAS has an address that does not begin with mysql:// (it is not printed here: it may hold a password). Expected mysql://user:password@host:port/database, several with spaces between',
    );
  }
  return urls;
}

function cores(text: string | null, problems: string[]): number | null {
  if (text === null) return null;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  problems.push(`MESSAGE_GC_DATABASE_CORES is "${text}", expected a whole number from 1 to 9999`);
  return null;
}

const mostWorkers = 16;

function workersOf(value: string | null, problems: string[]): number | null {
  if (value === null) return null;
  const workers = Number(value);
  if (Number.isInteger(workers) && workers >= 1 && workers <= mostWorkers) return workers;
  problems.push(
    `MESSAGE_GC_WORKERS is "${value}", expected a whole number from 1 to ${mostWorkers}, or nothing for the number of the profile`,
  );
  return null;
}

/** Shorter ones can be found by trying. */
const leastSecret = 16;

/** `role` undefined: the command does not serve, so nobody asks for one. */
function clusterProblems(
  role: Role | null | undefined,
  isMulticonnect: boolean,
  secret: string | null,
): readonly string[] {
  const problems: string[] = [];
  // Spaces are what is left of a variable that was not filled in.
  const length = secret?.trim().length ?? leastSecret;
  if (length < leastSecret) {
    problems.push(
      `MESSAGE_GC_CLUSTER_SECRET has ${length} characters, expected at least ${leastSecret}; "openssl rand -hex 32" makes one`,
    );
  }
  if (role === undefined) return problems;
  if (isMulticonnect && (role === null || role === 'single')) {
    problems.push(
      'WA_APP_MULTICONNECT is 1: say --role webapp or --role coreapp, or unset it for a single instance',
    );
  }
  if ((role === 'webapp' || role === 'coreapp') && secret === null) {
    problems.push(
      `MESSAGE_GC_CLUSTER_SECRET is not set, and --role ${role} needs it: the same one for every node, at least ${leastSecret} characters; "openssl rand -hex 32" makes one`,
    );
  }
  return problems;
}
