import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { Refusal } from '../core/errors.js';
import type { LogLevel } from '../kit/log.js';
import { type Address, parseAddress } from './address.js';
import { chooseDatabase, type Database } from './database.js';
import { durationSeconds } from './duration.js';
import type { Environment } from './environment.js';
import { type Option, type OptionName, options, type Profile } from './options.js';

/** All options, parsed. */
export type Config = {
  readonly database: Database;
  readonly listen: Address;
  readonly control: Address;
  /** Host part of the node name. */
  readonly host: string;
  /** Host in "Please check if wacore is running": decision 19. */
  readonly coreHost: string;
  readonly nodeId: string | undefined;
  readonly profile: Profile;
  readonly retentionSeconds: number;
  readonly adminPassword: string | null;
  readonly allowUsers: boolean;
  readonly requireHttps: boolean;
  readonly jwtKey: string | null;
  readonly logLevel: LogLevel;
};

/** Options of later versions that would be missed: without them something would be done that was not asked for. */
const notYet = {
  WA_APP_MULTICONNECT: 'this version is a single instance. Unset it to go on with one',
  MESSAGE_GC_WEBHOOK_SECRET: 'this version does not sign callbacks. Unset it to send them unsigned',
} as const;

/** A hundred years; databases know no times before 4713 BC. */
const longestRetentionSeconds = 36_500 * 86_400;

/**
 * A misspelt MESSAGE_GC_RETENTION would mean a retention of 0. Kubernetes gives every container of a namespace the
 * variables of a Service named message-gc (MESSAGE_GC_SERVICE_HOST, MESSAGE_GC_PORT_9090_TCP, …): those are no options.
 */
function isKnown(name: string): boolean {
  return (
    Object.values<Option>(options).some((option) => option.env === name) ||
    name in notYet ||
    name === 'MESSAGE_GC_CLUSTER_SECRET' ||
    /^MESSAGE_GC_(?:SERVICE_|PORT(?:_|$))/.test(name)
  );
}

/** Throws one Refusal (exit 2) that lists every problem found, each with what was expected. */
export function readConfig(env: Environment): Config {
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

  const port = given('dbPort');
  const isPort = port === null || /^\d{1,5}$/.test(port);
  if (!isPort) problems.push(`WA_DB_PORT is "${port}", expected a port number`);
  const chosen = chooseDatabase({
    url: given('databaseUrl'),
    engine: given('dbEngine'),
    hostname: text('dbHostname'),
    port: isPort ? port : null,
    username: given('dbUsername'),
    password: text('dbPassword'),
    namePrefix: text('dbNamePrefix'),
    ssl: { ca: given('dbSslCa'), cert: given('dbSslCert'), key: given('dbSslKey') },
    data: text('data'),
  });
  let database: Database = { engine: 'pglite', folder: '', where: '' };
  if ('problem' in chosen) problems.push(chosen.problem);
  else database = chosen;

  const retentionSeconds = durationSeconds(text('retention'));
  if (retentionSeconds === null) {
    problems.push(
      `MESSAGE_GC_RETENTION is "${text('retention')}", expected a number with its unit such as 30d, 12h, 45m, 90s, or 0`,
    );
  }
  if (retentionSeconds !== null && retentionSeconds > longestRetentionSeconds) {
    problems.push(`MESSAGE_GC_RETENTION is "${text('retention')}", expected at most 36500d`);
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith('MESSAGE_GC_') && !isKnown(name))
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
  if (existsSync(text('config'))) {
    problems.push(
      `${text('config')} is there (MESSAGE_GC_CONFIG), but this version collects its own tables only and reads no store mappings. Move the file away to go on without it`,
    );
  }
  for (const [name, words] of Object.entries(notYet)) {
    const value = env[name];
    if (value !== undefined && value !== '' && value !== '0') problems.push(`${name} is set: ${words}`);
  }
  // Everything is read before anything is thrown: a value that is read later is one that nobody checks.
  const rest = {
    listen: address('listen'),
    control: address('controlListen'),
    profile: text('profile') as Profile,
    allowUsers: text('allowUsers') === '1',
    requireHttps: text('requireHttps') === '1',
    logLevel: text('logLevel') as LogLevel,
  };
  if (problems.length > 0) {
    throw new Refusal(
      'configuration',
      `The configuration cannot be used:\n${problems.map((words) => `  - ${words}`).join('\n')}`,
    );
  }
  return {
    ...rest,
    database,
    host,
    coreHost: given('coreappHostname') ?? 'wacore',
    nodeId: nodeId ?? undefined,
    retentionSeconds: retentionSeconds ?? 0,
    adminPassword,
    jwtKey,
  };
}
