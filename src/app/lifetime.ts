import closeWithGrace from 'close-with-grace';
import { exitCodes, wordsOf } from '../core/errors.js';
import type { Log } from '../kit/log.js';
import type { Instance } from './instance.js';

/** Everything is closed within this, or the process ends anyway: a batch takes 0.5 s at most, the HTTP server 2 s. */
const closingMs = 20_000;

/** Whoever stops a process may tell its group as well (`timeout`, a terminal): the same wish, twice. */
const twinMs = 1_000;
const stopSignals = ['SIGTERM', 'SIGINT'] as const;

/**
 * The only place that ends the process. SIGTERM and SIGINT stop in order and exit 0; a defect that nobody caught
 * stops in order as well and exits 1. They are listened for from the start on: whoever has read `listening` may send one
 * at once. One that comes earlier waits for the start, and a second one, later than its twin would be, ends the process
 * as it is. Resolves when the instance serves; rejects as its start does.
 */
export async function untilStopped(log: Log, starting: Promise<Instance>): Promise<void> {
  // Signals are ours: for the library any second one is a reason to end at once.
  const grace = closeWithGrace(
    { delay: closingMs, logger: false, skip: [...stopSignals] },
    async ({ err }) => {
      if (err !== undefined) log.error({ stack: err.stack }, `a defect ends the process: ${wordsOf(err)}`);
      const started = await starting.catch(() => null);
      await started?.stop();
      log.info({}, 'stopped');
      process.exit(err === undefined ? (process.exitCode ?? 0) : exitCodes.failed);
    },
  );
  let stoppingAt: number | null = null;
  const stop = (): void => {
    if (stoppingAt !== null) return;
    stoppingAt = performance.now();
    grace.close();
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stoppingAt === null) log.info({ signal }, 'stopping');
    else if (performance.now() - stoppingAt > twinMs) {
      log.warn({ signal }, 'a second signal ends the process as it is');
      process.exit(exitCodes.failed);
    }
    stop();
  };
  for (const signal of stopSignals) process.on(signal, onSignal);
  let instance: Instance;
  try {
    instance = await starting;
  } catch (error) {
    for (const signal of stopSignals) process.off(signal, onSignal);
    grace.uninstall();
    throw error;
  }
  void instance.over.then(({ reason, words }) => {
    log.error({ reason }, words);
    process.exitCode = exitCodes[reason];
    stop();
  });
}
