import type { Outbox } from '../../core/ports.js';
import type { Clock } from '../../kit/clock.js';
import { joinedRequests } from './history.js';
import { memoryServer, type OutboxRow, type Tables } from './tables.js';

/** T12: callbacks wait here until the receiver said 200. At least once: a claim that ran out is anybody's. */
export function createOutbox(tables: Tables, clock: Clock): Outbox {
  const now = (): number => clock.now().getTime();
  const waitingRows = (): readonly OutboxRow[] =>
    [...tables.outbox.values()].filter((row) => row.state === 'waiting');
  /** A copy of a database must not post what another server's runs left behind. */
  const sendableRows = (): readonly OutboxRow[] =>
    waitingRows().filter((row) => tables.runs.get(row.run)?.server === memoryServer);
  const readyAt = (row: OutboxRow): number => Math.max(row.dueAt, row.claimedUntil ?? 0);
  return {
    async claimDue(limit, claimMs, inHand = []) {
      const due = sendableRows()
        .filter((row) => readyAt(row) <= now() && !inHand.includes(row.id))
        .sort((a, b) => a.dueAt - b.dueAt)
        .slice(0, limit);
      return due.map((row) => {
        row.attempts += 1;
        row.claimedUntil = now() + claimMs;
        const { id, run, body, attempts } = row;
        // Twenty at most: they go into a header.
        const joined = joinedRequests(tables, run).slice(0, 20);
        return { id, run, body, attempts, joinedRequests: joined.map((request) => request.id) };
      });
    },
    async renew(callback, claimMs) {
      const row = tables.outbox.get(callback.id);
      if (row?.state !== 'waiting' || row.attempts !== callback.attempts || row.claimedUntil === null) return;
      row.claimedUntil = now() + claimMs;
    },
    /** A 200 is a fact, whoever holds the claim. */
    async delivered(id, status) {
      const row = tables.outbox.get(id);
      if (row?.state !== 'waiting') return;
      row.state = 'delivered';
      row.lastStatus = status;
      row.lastError = null;
    },
    async refused(callback, delayMs, status, words) {
      const row = tables.outbox.get(callback.id);
      if (row?.state !== 'waiting' || row.attempts !== callback.attempts) return;
      row.dueAt = now() + delayMs;
      row.claimedUntil = null;
      row.lastStatus = status;
      row.lastError = words;
    },
    async nextDueMs() {
      const waiting = sendableRows();
      return waiting.length === 0 ? null : Math.max(0, Math.min(...waiting.map(readyAt)) - now());
    },
    async waiting() {
      return waitingRows().length;
    },
    async forRun(runId) {
      return [...tables.outbox.values()]
        .filter((row) => row.run === runId)
        .map(({ id, state, attempts, lastStatus, lastError }) => ({
          id,
          state,
          attempts,
          lastStatus,
          lastError,
        }));
    },
  };
}
