import closeWithGrace from 'close-with-grace';
import { exitCodes, wordsOf } from '../core/errors.js';
import type { Log } from '../kit/log.js';
import type { Instance } from './instance.js';

/** Everything is closed within this, or the process ends anyway: a batch takes 0.5 s at most, the HTTP server 2 s. */
const closingMs = 20_000;

/**
 * The only place that ends the process. SIGTERM and SIGINT stop in order and exit 0; a defect that nobody caught
 * stops in order as well and exits 1. They are listened for from the start on: whoever has read `listening` may send one
 * at once. One that comes earlier waits for the start. Resolves when the instance serves; rejects as its start does.
 */
export async function untilStopped(log: Log, starting: Promise<Instance>): Promise<void> {
  const grace = closeWithGrace({ delay: closingMs, logger: false }, async ({ signal, err }) => {
    if (err !== undefined) log.error({ stack: err.stack }, `a defect ends the process: ${wordsOf(err)}`);
    else if (signal !== undefined) log.info({ signal }, 'stopping');
    const started = await starting.catch(() => null);
    await started?.stop();
    log.info({}, 'stopped');
    // In order and on request is success, whatever close-with-grace makes of the signal.
    process.exit(err === undefined ? (process.exitCode ?? 0) : exitCodes.failed);
  });
  let instance: Instance;
  try {
    instance = await starting;
  } catch (error) {
    grace.uninstall();
    throw error;
  }
  void instance.over.then(({ reason, words }) => {
    log.error({ reason }, words);
    process.exitCode = exitCodes[reason];
    grace.close();
  });
}
