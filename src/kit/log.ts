import { pino } from 'pino';

/**
 * Levels by meaning: `error` a person must act now; `warn` healed itself or will; `info` a run's milestones;
 * `debug` batches; `trace` steps inside a batch. Lines are JSON on standard output.
 */
export interface Log {
  error(facts: object, words: string): void;
  warn(facts: object, words: string): void;
  info(facts: object, words: string): void;
  debug(facts: object, words: string): void;
  trace(facts: object, words: string): void;
}

export const logLevels = ['error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export function createLog(level: LogLevel): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['password', 'token', 'authorization', 'headers.authorization'], censor: '[hidden]' },
    },
    // Written at once: a line that says "committed" must not be lost with the process that wrote it.
    pino.destination({ dest: 1, sync: true }),
  );
}

export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };
