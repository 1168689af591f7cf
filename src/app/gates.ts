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

export function gatesOf(config: Pick<Config, 'stopFile'>, log: Log): Gates {
  const stopFile = new StopFile(config.stopFile, log);
  return {
    list: [stopFile.gate],
    open: () => stopFile.begin(),
    close: () => stopFile.end(),
  };
}
