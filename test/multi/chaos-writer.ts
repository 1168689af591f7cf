/**
 * The application of a chaos round: inserts messages and flips states, and remembers what may and what must happen to
 * each row because of it. It writes the moments itself, so that it knows of every row since when it was eligible.
 */
import type { Application } from '../harness/application.js';
import type { MariadbApplication } from '../harness/mariadb-application.js';
import { pause } from '../harness/wait.js';

type Transaction = {
  readonly number: number;
  readonly random: () => number;
  /** Placeholders are `?`; answers the rows affected. */
  readonly write: (sql: string, values: readonly unknown[]) => Promise<number>;
};

/** An application of either family, reduced to what the writer needs. */
export type Hand = {
  run(goOn: () => boolean, work: (transaction: Transaction) => Promise<void>): Promise<void>;
  /** Codes of the errors that it met; there must be none. */
  errors(): Readonly<Record<string, number>>;
  committed(): number;
  /** As a value of `processed_at`. */
  moment(ms: number): string;
};

const sessions = 2;
/** Below every key of a test, beyond every key of `seed`. */
const firstOwnKey = 50_000_000;
/** Every tenth row is the writer's: the others nobody touches, and of them everything is known. */
const ownShare = 10;

export function postgresHand(application: Application): Hand {
  return {
    run: (goOn, work) =>
      application.run(sessions, goOn, (session) =>
        work({
          ...session,
          write: async (sql, values) => (await session.query(numbered(sql), values)).rowCount ?? 0,
        }),
      ),
    errors: () => Object.fromEntries(application.errors),
    committed: () => application.committed,
    moment: (ms) => new Date(ms).toISOString(),
  };
}

export function mariadbHand(application: MariadbApplication): Hand {
  return {
    run: (goOn, work) => application.run(sessions, goOn, work),
    errors: () => Object.fromEntries(application.errors),
    committed: () => application.committed,
    moment: (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', ''),
  };
}

export class Writer {
  /** Rows of its own that it has inserted. Exact when it met no error. */
  readonly inserted = new Set<string>();
  /** Rows whose state it has changed, or tried to. */
  readonly touched = new Set<string>();
  /** The earliest moment, in epoch milliseconds, that it ever wrote as processed_at of a row. */
  readonly processedAt = new Map<string, number>();
  readonly #keys: readonly string[];
  readonly #inserts: boolean;
  #next = firstOwnKey;

  /** `inserts` false: after a crash of the server it could not know which of its last rows are there. */
  constructor(before: ReadonlySet<string>, inserts: boolean) {
    this.#keys = [...before].filter((_key, at) => at % ownShare === 0);
    this.#inserts = inserts;
  }

  write(hand: Hand, goOn: () => boolean): Promise<void> {
    return hand.run(goOn, async ({ random, write, number }) => {
      if (this.#inserts) await this.#insert(hand, random, write);
      // Sessions share no rows: every conflict is one with the product.
      const own = this.#keys.filter((_key, at) => at % sessions === number);
      const key = own[Math.floor(random() * own.length)] ?? '';
      this.touched.add(key);
      const processed = random() < 0.5 ? this.#processed(hand, key) : null;
      await write('UPDATE messages SET processed_at = ? WHERE id = ?', [processed, key]);
      await pause(3);
    });
  }

  async #insert(hand: Hand, random: () => number, write: Transaction['write']): Promise<void> {
    const key = String((this.#next += 1));
    this.inserted.add(key);
    const processed = random() < 0.5 ? this.#processed(hand, key) : null;
    await write(
      `INSERT INTO messages (id, direction, state, contact, body, processed_at)
       VALUES (?, 'outbound', 'sent', '49', 'written during a run', ?)`,
      [key, processed],
    );
  }

  #processed(hand: Hand, key: string): string {
    const now = Date.now();
    this.processedAt.set(key, Math.min(now, this.processedAt.get(key) ?? now));
    return hand.moment(now);
  }
}

function numbered(sql: string): string {
  let count = 0;
  return sql.replaceAll('?', () => `$${(count += 1)}`);
}
