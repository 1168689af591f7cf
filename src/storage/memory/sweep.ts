import type { BatchRequest, Sweep } from '../../core/ports.js';
import type { Clock } from '../../kit/clock.js';
import { isHeld, leasedSpan, tallyOf, type MessageRow, type SpanRow, type Tables } from './tables.js';

/**
 * T6, the only writer of messages: the fence is checked, rows and dependents go, tally and cursor move, the lease is
 * renewed; all of it or nothing. Nobody else can hold a row here, so `locked` and parked spans do not occur.
 */
export function createSweep(tables: Tables, clock: Clock, dependentName: string): Sweep {
  return {
    async batch(request) {
      const { span: held, node, plan, leaseMs, tell } = request;
      const span = leasedSpan(tables, held.run, held.no, held.fence);
      const run = tables.runs.get(held.run);
      if (span === undefined || run?.state !== 'running') return { kind: 'lost' };
      if (run.paused) return { kind: 'paused' };

      const to = endOfBatch(tables, span, request);
      const horizon = Date.parse(plan.horizon);
      const victims = [...tables.messages].filter(
        ([key, message]) =>
          key > span.cursor && key <= to && isProcessed(message, horizon) && !isHeld(tables, key, message),
      );
      tell?.('deleting');
      tell?.('deleted');
      tell?.('committing');
      // From here nothing can throw, and nobody can come between.
      const receipts = victims.reduce((sum, [, message]) => sum + message.receipts, 0);
      const before = { deleted: span.deleted, batches: span.batches };
      const walked = to - span.cursor;
      for (const [key] of victims) tables.messages.delete(key);
      span.cursor = to;
      span.batches += 1;
      span.deleted += victims.length;
      span.attempts = 0;
      span.leaseUntil = clock.now().getTime() + leaseMs;
      if (to >= span.high) span.state = 'done';
      const tally = tallyOf(tables, span.run, span.no, node.name);
      tally.deleted += victims.length;
      tally.dependents += receipts;
      tally.batches += 1;
      tell?.('committed');
      return {
        kind: 'swept',
        deleted: victims.length,
        dependents: { [dependentName]: receipts },
        skipped: 0,
        walked,
        spanDone: span.state === 'done',
        before,
        lockedMs: 0,
        workMs: 0,
        maxRate: run.maxRate,
      };
    },
  };
}

/** Not processed is never a victim; the horizon itself still belongs to it. */
export function isProcessed(message: MessageRow, horizon: number): boolean {
  return message.processedAt !== null && message.processedAt <= horizon;
}

/** `size` keys on from the cursor, or from the next key that exists where a gap is to be skipped. */
function endOfBatch(tables: Tables, span: SpanRow, { size, skipGap }: BatchRequest): number {
  let from = span.cursor;
  if (skipGap) {
    const next = [...tables.messages.keys()].filter((key) => key > span.cursor && key <= span.high);
    if (next.length === 0) return span.high;
    from = next.reduce((least, key) => Math.min(least, key)) - 1;
  }
  return Math.min(span.high, from + Math.max(1, size));
}
