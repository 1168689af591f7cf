import type { NodeIdentity, Store } from '../../src/core/ports.js';
import type { Policy } from '../../src/core/policy.js';
import type { Span } from '../../src/core/run.js';

/**
 * What the conformance suite needs of a store and of somebody who looks at the same tables from outside. Each test
 * makes a world of its own, prepared, migrated and without messages, runs or settings; how cheaply (a fresh
 * database, emptied tables) is the world's affair. The helpers must not go through the store that is tested.
 */
export type World = {
  readonly store: Store;
  /** What `prepare` said of the server. */
  readonly server: string;
  /** A retention above 0 (an hour, say) shows a store that forgets to subtract it. */
  readonly policy: Policy;
  /** An identity with a boot of its own; the same name again is another process under that name. Not registered. */
  node(name?: string): NodeIdentity;
  /**
   * Adds messages with `processed_at` so many seconds before now, by the clock that the store's planner uses (null:
   * not processed; negative: in the future), and their receipts. Answers the keys, in the order of the rows.
   */
  insertMessages(rows: readonly NewMessage[]): Promise<readonly string[]>;
  messageKeys(): Promise<ReadonlySet<string>>;
  receiptCount(): Promise<number>;
  /** Receipts whose message is not there. */
  orphanReceipts(): Promise<number>;
  /** Makes the span's lease run out now, as if its owner had stood still; owner and fence stay. */
  expireLease(span: Span): Promise<void>;
  /** Makes every claim of a callback run out now, as if its sender had died. */
  expireClaims(): Promise<void>;
  /** The fingerprint that the ledger keeps. */
  cluster(): Promise<string | null>;
  outboxRows(): Promise<readonly OutboxRecord[]>;
  /** Violations of the protocol's invariants (one run, exact tallies, spans without gaps, everyone told once), in words; empty when all is well. Asked after every step. */
  invariants(): Promise<readonly string[]>;
  close(): Promise<void>;
};

export type NewMessage = { readonly processedAgoSeconds: number | null; readonly receipts: number };

export type OutboxRecord = {
  readonly id: string;
  readonly run: string;
  /** '' in the single form. */
  readonly node: string;
  readonly state: 'waiting' | 'delivered' | 'dropped';
  readonly body: string;
};

export type MakeWorld = () => Promise<World>;
