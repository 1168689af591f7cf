/**
 * The progress of a run: a bar on a terminal, plain lines elsewhere, so that a log of CI stays readable. Writes to
 * standard error by default: standard output is for what the command found. `finish` must be called; the bar's timer
 * holds the process until then.
 */
import cliProgress from 'cli-progress';
import { systemClock } from '../kit/clock.js';
import type { Clock } from '../kit/clock.js';
import { formatCount, formatDuration, formatShare } from './output.js';

export type ProgressUpdate = {
  /** 0 to 1; null while nothing is planned. */
  readonly share: number | null;
  readonly deleted: number;
  readonly rowsPerSecond: number;
  readonly etaSeconds: number | null;
  /** In words (`reasonWords`); 'working' is not worth telling. */
  readonly reason: string;
};
export interface Progress {
  update(now: ProgressUpdate): void;
  /** Draws the last state and gives the terminal back. May be called more than once. */
  finish(): void;
}
export type ProgressOptions = {
  readonly stream?: NodeJS.WritableStream;
  readonly isTTY?: boolean;
  readonly clock?: Clock;
};

export function createProgress(options: ProgressOptions = {}): Progress {
  const stream = options.stream ?? process.stderr;
  return (options.isTTY ?? process.stderr.isTTY === true)
    ? barOn(stream)
    : linesOn(stream, options.clock ?? systemClock);
}

/** The bar knows thousandths; row counts stand in the words, where they can be exact. */
const barUnits = 1_000;

function barOn(stream: NodeJS.WritableStream): Progress {
  const bar = new cliProgress.SingleBar({
    stream,
    format: '{bar} {words}',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    // Both would leave a changed terminal behind after kill -9; a line is cut to the width instead.
    hideCursor: false,
    linewrap: true,
    // Signals belong to the app.
    gracefulExit: false,
  });
  bar.start(barUnits, 0, { words: 'starting' });
  return {
    update(now) {
      bar.update(Math.round((now.share ?? 0) * barUnits), { words: progressWords(now) });
    },
    finish() {
      bar.stop();
    },
  };
}

/** Lines are due at every tenth, at a new reason and after half a minute of neither, but never sooner than this. */
const leastGapMs = 2_000;
const mostGapMs = 30_000;

function linesOn(stream: NodeJS.WritableStream, clock: Clock): Progress {
  let last: { readonly atMs: number; readonly tenth: number; readonly reason: string } | null = null;
  let unsaid: ProgressUpdate | null = null;

  function isDue(now: ProgressUpdate): boolean {
    if (last === null) return true;
    const sinceMs = clock.monotonicMs() - last.atMs;
    if (sinceMs < leastGapMs) return false;
    return tenthOf(now) > last.tenth || now.reason !== last.reason || sinceMs >= mostGapMs;
  }

  return {
    update(now) {
      unsaid = now;
      if (!isDue(now)) return;
      stream.write(`${progressWords(now)}\n`);
      last = { atMs: clock.monotonicMs(), tenth: tenthOf(now), reason: now.reason };
      unsaid = null;
    },
    finish() {
      if (unsaid !== null) stream.write(`${progressWords(unsaid)}\n`);
      unsaid = null;
    },
  };
}

/** `42.1 %  1,234,567 deleted  210,000 rows/s  4.2 s left  resting`. */
export function progressWords(now: ProgressUpdate): string {
  const parts = [
    now.share === null ? '– %' : formatShare(now.share),
    `${formatCount(now.deleted)} deleted`,
    `${formatCount(now.rowsPerSecond)} rows/s`,
  ];
  if (now.etaSeconds !== null && now.share !== 1)
    parts.push(`${formatDuration(now.etaSeconds * 1_000)} left`);
  if (now.reason !== 'working') parts.push(now.reason);
  return parts.join('  ');
}

function tenthOf(now: ProgressUpdate): number {
  return Math.floor((now.share ?? 0) * 10);
}
