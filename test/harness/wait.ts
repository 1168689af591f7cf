/**
 * Waiting for a condition, with a deadline and words. Every wait of the black-box tests goes through here, so that a
 * test that hangs says what it was waiting for instead of meeting the runner's time limit.
 */

/** Between two looks: short against everything that is measured here (the shortest figure asserted is 100 ms). */
const lookEveryMs = 15;

/** Resolves with the first answer of `look` that is not null, undefined or false; throws after `deadlineMs`. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`Waited ${deadlineMs} ms for ${what}; it did not happen.`);
    await pause(lookEveryMs);
  }
}

/** Resolves with the promise's value, or throws with words after `deadlineMs`. */
export async function within<T>(what: string, deadlineMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Waited ${deadlineMs} ms for ${what}; it did not happen.`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** For pacing a load or a fault that must last; never for "by then it will have happened". */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
