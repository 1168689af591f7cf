import type { Config } from '../config/read-config.js';
import type { Gate } from '../core/gate.js';
import type { Log } from '../kit/log.js';
import { StopFile } from './stop-file.js';

/** What may forbid this process to begin a batch, each asked before every one. */
export type Gates = {
  readonly list: readonly Gate[];
  /** Resolves when each gate knows whether it is closed. */
  open(): Promise<void>;
  close(): Promise<void>;
};

/** `windows`: those of the timetable, unless they are to be ignored. */
export function gatesOf(config: Pick<Config, 'stopFile'>, log: Log, windows: readonly Gate[]): Gates {
  const stopFile = new StopFile(config.stopFile, log);
  return {
    list: [stopFile.gate, ...windows],
    open: () => stopFile.begin(),
    close: () => stopFile.end(),
  };
}
