import { StoreError } from '../core/errors.js';

/** Longest wait for one question to the database, where no shorter one is set. */
export const storeDeadlineMs = 10_000;

/**
 * Gives up waiting after `ms`, with the error of a database that does not answer. The work itself goes on and may
 * still succeed; a failure that comes later goes to `late`. For questions it tells nothing new, as the asker was told
 * already; for changes it must be logged.
 */
export function within<T>(
  work: Promise<T>,
  ms: number,
  doing: string,
  late: (error: unknown) => void = () => undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      reject(new StoreError('unreachable', 'ETIMEDOUT', doing, 'Connection timed out', undefined));
    }, ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        if (over) late(error);
        else reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
