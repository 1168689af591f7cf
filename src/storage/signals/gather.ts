import { wordsOf } from '../../core/errors.js';
import {
  type Reading,
  type SignalName,
  type SignalProbe,
  type SignalWatch,
  signalNames,
} from '../../core/signals.js';
import { sleep } from '../../kit/sleep.js';

/** What is known of a signal at one look; null: nothing yet (a rate needs two looks). */
export type Found = Omit<Extract<Reading, { readonly value: number }>, 'signal'> | null;

/** One signal of an engine. */
export type Watcher = {
  readonly signal: SignalName;
  /** Asked once, before the first batch. Null: it can be watched; otherwise why it cannot. Throwing is a reason too. */
  probe(): Promise<string | null>;
  /** Asked once a second. Absent where the batch itself looks (`waiters`). */
  read?(): Promise<Found>;
  close?(): Promise<void>;
};

/** A look that takes longer is one that could not be made: the run must not wait for its own health. */
const longestLookMs = 2_000;

/**
 * A look that has not been answered by then does not make the next one wait: of ten that all hang the last is told as
 * trouble half a second later than if all were asked at once.
 */
const patienceMs = 50;

/**
 * The watch over an engine's signals: probes them at once, and then reads those that are there one after another, spread
 * over the time that there is: side by side they took both cores of a small machine once a second, one right after another
 * still one of them for 30 ms, and whoever asked the server meanwhile waited for them. A look that hangs is not begun again while it hangs, so that a server in trouble is not asked more and more.
 */
export async function gather(
  watchers: readonly Watcher[],
  skipped: ReadonlySet<SignalName>,
): Promise<SignalWatch> {
  const probed = new Map<SignalName, string | null>();
  await Promise.all(
    watchers
      .filter(({ signal }) => !skipped.has(signal))
      .map(async (watcher) => {
        probed.set(watcher.signal, await watcher.probe().catch((error: unknown) => wordsOf(error)));
      }),
  );
  const probes = signalNames.map((signal): SignalProbe => {
    if (skipped.has(signal)) return { signal, state: 'absent', why: 'it is switched off' };
    const why = probed.get(signal);
    if (why === null) return { signal, state: 'used' };
    return { signal, state: 'absent', why: why ?? 'this engine has no such thing' };
  });
  const used = watchers.filter(({ signal }) => probed.get(signal) === null);
  const hanging = new Set<SignalName>();
  const closing = new AbortController();

  const look = async (watcher: Watcher): Promise<Reading | null> => {
    const { signal } = watcher;
    if (watcher.read === undefined) return null;
    if (hanging.has(signal)) return { signal, trouble: 'the look before has not been answered' };
    hanging.add(signal);
    const late = new AbortController();
    const found = watcher.read().finally(() => hanging.delete(signal));
    found.catch(() => undefined);
    try {
      const seen = await Promise.race([found, sleep(longestLookMs, late.signal).then(() => 'late' as const)]);
      if (seen === 'late') return { signal, trouble: `no answer within ${longestLookMs / 1_000} s` };
      return seen === null ? null : { signal, ...seen };
    } catch (error) {
      return { signal, trouble: wordsOf(error) };
    } finally {
      late.abort();
    }
  };

  return {
    probes,
    sample: async (overMs, told) => {
      const begunAt = performance.now();
      const looks: Promise<void>[] = [];
      for (const [place, watcher] of used.entries()) {
        await sleep(
          Math.max(0, begunAt + (overMs * place) / used.length - performance.now()),
          closing.signal,
        );
        if (closing.signal.aborted) break;
        const answer = look(watcher).then((reading) => {
          if (reading !== null) told(reading);
        });
        looks.push(answer);
        await atMost(answer, patienceMs);
      }
      await Promise.all(looks);
    },
    close: async () => {
      closing.abort();
      await Promise.all(watchers.map(async (watcher) => watcher.close?.().catch(() => undefined)));
    },
  };
}

/** Waits for work that never throws, but no longer than this. */
async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, sleep(ms, done.signal)]);
  done.abort();
}
