import type { Log } from '../kit/log.js';

type Level = keyof Log;

/**
 * Keeps lines back until `release`, because the first line of a service says where it listens: scripts wait for it.
 */
export function heldLog(log: Log): { readonly log: Log; readonly release: () => void } {
  let held: (() => void)[] | null = [];
  const pass =
    (level: Level) =>
    (facts: object, words: string): void => {
      const write = (): void => log[level](facts, words);
      if (held === null) write();
      else held.push(write);
    };
  return {
    log: {
      error: pass('error'),
      warn: pass('warn'),
      info: pass('info'),
      debug: pass('debug'),
      trace: pass('trace'),
    },
    release: () => {
      const lines = held ?? [];
      held = null;
      for (const write of lines) write();
    },
  };
}
