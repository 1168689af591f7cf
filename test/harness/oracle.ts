/**
 * The oracle: what is in the tables, asked on a connection of its own that the product knows nothing of. It compares
 * sets of keys, because equal counts hide a wrong row gone and a right one kept.
 */
import assert from 'node:assert/strict';
import { invariants } from './invariants.js';

/** Any session that answers SQL: a pg client, or PGlite opened after the product has ended. */
export type Asker = {
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
};

export type Keys = ReadonlySet<string>;
export type Violation = { readonly rule: string; readonly rows: readonly unknown[] };

export type Expectation = {
  /** The keys before the run. */
  readonly before: Keys;
  /** Must be gone. */
  readonly gone: Keys;
  /** May be gone or not: touched by the application during the run. Everything else must still be there. */
  readonly either?: Keys;
};

export class Oracle {
  readonly #asker: Asker;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  async allKeys(): Promise<Keys> {
    return this.#keys('SELECT id::text AS id FROM messages', []);
  }

  /** What a run with no retention that began now would have to delete. */
  async eligibleKeys(): Promise<Keys> {
    return this.#keys('SELECT id::text AS id FROM messages WHERE processed_at <= clock_timestamp()', []);
  }

  async messages(): Promise<number> {
    return this.#count('SELECT count(*)::int AS n FROM messages');
  }

  async receipts(): Promise<number> {
    return this.#count('SELECT count(*)::int AS n FROM message_receipts');
  }

  /** Spans that some node holds. */
  async leasedSpans(): Promise<number> {
    return this.#count(`SELECT count(*)::int AS n FROM message_gc.span WHERE state = 'leased'`);
  }

  /** Receipts whose message is gone: the foreign key forbids them, and leaving its checks out must not make any. */
  async orphans(): Promise<number> {
    return this.#count(
      'SELECT count(*)::int AS n FROM message_receipts r WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = r.message_id)',
    );
  }

  /** Fails with the differing keys; answers the keys that are gone. */
  async expectGone(expectation: Expectation): Promise<Keys> {
    const now = await this.allKeys();
    const gone = new Set([...expectation.before].filter((key) => !now.has(key)));
    const either = expectation.either ?? new Set<string>();
    const kept = [...expectation.gone].filter((key) => !gone.has(key) && !either.has(key));
    const lost = [...gone].filter((key) => !expectation.gone.has(key) && !either.has(key));
    if (kept.length + lost.length > 0) {
      assert.fail(`Eligible but kept — ${summary(kept)}. Not eligible but gone — ${summary(lost)}.`);
    }
    return gone;
  }

  async expectNoOrphans(): Promise<void> {
    assert.equal(await this.orphans(), 0, 'receipts without their message');
  }

  /** The ledger's own promises (protocol invariants); each must be true at any moment. */
  async violations(): Promise<Violation[]> {
    const found: Violation[] = [];
    for (const { rule, sql } of invariants) {
      const { rows } = await this.#asker.query(sql);
      if (rows.length > 0) found.push({ rule, rows });
    }
    return found;
  }

  async expectInvariants(): Promise<void> {
    assert.deepEqual(await this.violations(), [], 'violated invariants of the ledger');
  }

  /** Asks the invariants again and again until stopped; answers how often, and fails with the first violation. */
  watchInvariants(everyMs = 100): { stop(): Promise<number> } {
    let stopped = false;
    let asked = 0;
    const found: Violation[] = [];
    const loop = (async () => {
      while (!stopped && found.length === 0) {
        found.push(...(await this.violations()));
        asked += 1;
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    })();
    // A test that failed elsewhere does not stop it: the end of its connection does, and that is no news.
    loop.catch(() => undefined);
    return {
      stop: async () => {
        stopped = true;
        await loop;
        assert.deepEqual(found, [], 'violated invariants of the ledger during the run');
        return asked;
      },
    };
  }

  async #keys(sql: string, values: readonly unknown[]): Promise<Keys> {
    const { rows } = await this.#asker.query(sql, values);
    return new Set((rows as readonly { id: string }[]).map((row) => row.id));
  }

  async #count(sql: string): Promise<number> {
    const { rows } = await this.#asker.query(sql);
    return (rows as readonly { n: number }[])[0]?.n ?? 0;
  }
}

function summary(keys: readonly string[]): string {
  if (keys.length === 0) return 'none';
  const some = keys.slice(0, 8).join(', ');
  return `${keys.length}: ${some}${keys.length > 8 ? ', …' : ''}`;
}
