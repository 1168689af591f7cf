/**
 * Words out. A command says everything both ways, and the mode chooses: `print` for people, `printJson` for scripts,
 * each silent in the other's mode, so that `--json` gives JSON lines on standard output and nothing between them.
 * `note` goes to standard error in both.
 */
import type { Writable } from 'node:stream';
import type { Reason } from '../core/reason.js';
import { never } from '../kit/never.js';

export interface Output {
  readonly json: boolean;
  print(line?: string): void;
  printJson(value: unknown): void;
  note(line: string): void;
}

export function createOutput(options: {
  readonly json: boolean;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
}): Output {
  const { json, stdout = process.stdout, stderr = process.stderr } = options;
  return {
    json,
    print(line = '') {
      if (!json) stdout.write(`${line}\n`);
    },
    printJson(value) {
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    note(line) {
      stderr.write(`${line}\n`);
    },
  };
}

const thousands = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 → `1,234,567`. The same everywhere, whatever the locale: people paste these into tickets. */
export function formatCount(count: number): string {
  return thousands.format(count);
}

/** 0.4213 → `42.1 %`. Never 100 % before the end, nor 0 % once something is done. */
export function formatShare(share: number): string {
  if (share >= 1) return '100 %';
  if (share <= 0) return '0 %';
  return `${Math.min(99.9, Math.max(0.1, share * 100)).toFixed(1)} %`;
}

/** Milliseconds → `87 ms`, `4.2 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(Math.max(0, ms))} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${padded(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${padded(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Why a run goes as it goes, in words, with the value that decided where there is one. */
export function reasonWords(reason: Reason): string {
  const words = bareWords(reason);
  if (reason.signal === null || reason.value === null) return words;
  const limit = reason.limit === null ? '' : `, limit ${reason.limit}`;
  const value = String(reason.value);
  // Who holds rows is told as "session 12 (…)".
  const told = value.startsWith(`${reason.signal} `) ? value : `${reason.signal} ${value}`;
  return `${words} (${told}${limit})`;
}

function bareWords(reason: Reason): string {
  switch (reason.code) {
    case 'working':
      return 'working';
    case 'starting':
      return 'starting';
    case 'resting':
      return 'resting for the application';
    case 'rate_limited':
      return 'held at the rate limit';
    case 'slowed':
      return 'going slower for the database';
    case 'stopped':
      return 'standing still for the database';
    case 'signal_lost':
      return 'standing still: a signal cannot be read any more';
    case 'waited_for':
      return 'making way for sessions that waited';
    case 'stop_file':
      return 'stopped by the stop file';
    case 'outside_window':
      return 'waiting for the next window';
    case 'rows_locked':
      return 'waiting for messages that other sessions hold locked';
    case 'database_unreachable':
      return 'waiting for the database';
    case 'retrying':
      return 'trying again after an error';
    case 'paused':
      return 'paused';
    case 'other_policy':
      return 'this node has another policy than the run';
    case 'looking':
      return 'looking for what is left';
    default:
      return never(reason.code);
  }
}

function padded(value: number): string {
  return String(value).padStart(2, '0');
}
