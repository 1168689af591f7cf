import type { Config } from '../config/read-config.js';
import { StoreError } from '../core/errors.js';
import { sleep } from '../kit/sleep.js';
import type { Output } from './output.js';

const everyMs = 1_000;

/** One look: what is shown on a terminal, what elsewhere in one line, what as JSON; `isOn`: a run is not over yet. */
export type Look = {
  readonly lines: readonly string[];
  readonly line: string;
  readonly json: unknown;
  readonly isOn: boolean;
};

/**
 * Looks once a second until no run is on or the signal fires. On a terminal the picture is drawn over the last one;
 * elsewhere there is a line whenever something changed, so that a log stays readable. A database that is away is
 * waited for.
 */
export async function watchStatus(
  look: () => Promise<Look>,
  output: Output,
  config: Pick<Config, 'database'>,
  { isTerminal, signal }: { readonly isTerminal: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const draw = isTerminal ? drawer(output) : linesOf(output);
  let isAway = false;
  for (;;) {
    try {
      const seen = await look();
      isAway = false;
      output.printJson(seen.json);
      draw(seen);
      if (!seen.isOn) return;
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'unreachable') throw error;
      if (!isAway)
        output.note(
          `${config.database.where} cannot be reached (${error.message}); looking again until it can`,
        );
      isAway = true;
    }
    await sleep(everyMs, signal);
    if (signal.aborted) return;
  }
}

function drawer(output: Output): (seen: Look) => void {
  let drawn = 0;
  return ({ lines }) => {
    // A line that wraps would be two, and the next picture would begin in the middle of this one.
    const width = process.stdout.columns ?? 80;
    const cut = lines.map((line) => (line.length >= width ? `${line.slice(0, width - 2)}…` : line));
    const back = drawn === 0 ? '' : `\u001b[${drawn}A\u001b[0J`;
    output.print(`${back}${cut.join('\n')}`);
    drawn = cut.length;
  };
}

function linesOf(output: Output): (seen: Look) => void {
  let last = '';
  return ({ line, lines, isOn }) => {
    if (!isOn) for (const one of lines) output.print(one);
    else if (line !== last) output.print(line);
    last = line;
  };
}
