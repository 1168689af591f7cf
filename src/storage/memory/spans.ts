import type { Clock } from '../../kit/clock.js';
import type { Chunk, Ledger, TakeAnswer } from '../../core/ports.js';
import type { Span } from '../../core/run.js';
import { leasedSpan, spansOf, tallyOf, type RunRow, type SpanRow, type Tables } from './tables.js';

/**
 * T5, T7, T8: who works on which range. Correct by fence alone: a lease that ends too early costs work, never a
 * count, because the former owner's next batch finds another fence.
 */
export function createSpans(
  tables: Tables,
  clock: Clock,
): Pick<Ledger, 'take' | 'putBack' | 'release' | 'look'> {
  const now = (): number => clock.now().getTime();

  /** Gives what lies beyond `pivot` to a new open span. The number comes from the run row. */
  const splitOff = (run: RunRow, span: SpanRow, pivot: number): void => {
    run.spans += 1;
    tables.spans.push({
      ...span,
      no: run.spans,
      low: pivot,
      cursor: pivot,
      state: 'open',
      owner: null,
      boot: null,
      fence: 0,
      leaseUntil: null,
      dueAt: now(),
      attempts: 0,
      batches: 0,
      deleted: 0,
    });
    span.high = pivot;
  };

  return {
    async take(asked, node, chunk, leaseMs) {
      const run = tables.runs.get(asked.id);
      if (run?.state !== 'running') return { kind: 'gone' };
      const spans = spansOf(tables, run.id);
      const unfinished = spans.filter((span) => span.state === 'open' || span.state === 'leased');
      if (unfinished.length === 0) return { kind: 'nothing_left' };
      if (run.paused) return waitFor(unfinished, now());

      const ranOut = (span: SpanRow): boolean =>
        span.state === 'leased' &&
        span.leaseUntil !== null &&
        // A lease that ends far ahead was written before the clock was set back: it counts as run out too.
        (span.leaseUntil < now() || span.leaseUntil > now() + 2 * leaseMs);
      const span =
        unfinished.find(ranOut) ??
        unfinished.find((candidate) => candidate.state === 'open' && candidate.dueAt <= now());
      if (span === undefined) return waitFor(unfinished, now());

      const pivot = pivotOf(span, chunk);
      if (pivot < span.high) splitOff(run, span, pivot);
      if (span.state === 'leased') span.attempts += 1;
      span.state = 'leased';
      span.owner = node.name;
      span.boot = node.boot;
      span.fence += 1;
      span.leaseUntil = now() + leaseMs;
      tallyOf(tables, run.id, span.no, node.name);
      return { kind: 'span', span: spanOf(span) };
    },

    async putBack(asked, held, chunk) {
      const run = tables.runs.get(asked.id);
      const span = leasedSpan(tables, held.run, held.no, held.fence);
      if (run?.state !== 'running' || span === undefined) return false;
      const pivot = pivotOf(span, chunk);
      if (pivot >= span.high) return false;
      splitOff(run, span, pivot);
      span.batches += 1;
      return true;
    },

    async release(held, waitMs, failed) {
      const span = leasedSpan(tables, held.run, held.no, held.fence);
      if (span === undefined) return;
      span.state = 'open';
      span.owner = null;
      span.dueAt = now() + waitMs;
      if (failed) span.attempts += 1;
    },

    /** Nothing moves and nothing is locked here, so nothing can be left: the look is always clean. */
    async look(_run, _policy, held) {
      const span = leasedSpan(tables, held.run, held.no, held.fence);
      if (span === undefined) return { kind: 'lost' };
      span.state = 'done';
      span.batches += 1;
      return { kind: 'clean' };
    },
  };
}

/** Where a chunk ends, perhaps beyond the span. */
function pivotOf(span: SpanRow, { units, share, least }: Chunk): number {
  const part = Math.max(least, Math.ceil((span.high - span.cursor) * share));
  return span.cursor + Math.max(1, Math.min(units, part));
}

/** A second at most: another node may finish, or give back, at any time. */
function waitFor(unfinished: readonly SpanRow[], now: number): TakeAnswer {
  const due = unfinished.map((span) => (span.state === 'open' ? span.dueAt - now : 1_000));
  return { kind: 'wait', ms: Math.max(1, Math.min(1_000, ...due)), onlyParked: false };
}

function spanOf(row: SpanRow): Span {
  return {
    run: row.run,
    no: row.no,
    kind: row.kind,
    round: row.round,
    fence: row.fence,
    attempts: row.attempts,
  };
}
