import type { Reason, ReasonKind } from '../core/reason.js';
import { reasonKind } from '../core/reason.js';
import type { Log } from '../kit/log.js';

const words: Readonly<Record<ReasonKind, string>> = {
  held_back: 'the run stands still here',
  slowed: 'the run goes slower here',
  going_on: 'the run goes on here',
};

/**
 * One line whenever this node's reason becomes one of another kind. Looked at once a second, so it never writes more
 * often than that. Slower and back, and an error that is tried again, must be seen twice: near a limit a run changes
 * between the two with every batch, and a line for each would tell nothing.
 */
export class ReasonLog {
  readonly #log: Log;
  #run: string | null = null;
  #told: ReasonKind = 'going_on';
  #seen: ReasonKind = 'going_on';

  constructor(log: Log) {
    this.#log = log;
  }

  look(run: string, { code, signal, value, limit }: Reason): void {
    if (this.#run !== run) {
      this.#run = run;
      this.#told = 'going_on';
      this.#seen = 'going_on';
    }
    const kind = reasonKind(code);
    const isPlain = code !== 'retrying' && (kind === 'held_back' || this.#told === 'held_back');
    const isSure = kind === this.#seen || isPlain;
    this.#seen = kind;
    if (kind === this.#told || !isSure) return;
    this.#told = kind;
    this.#log.info({ run, code, signal, value, limit }, words[kind]);
  }
}
