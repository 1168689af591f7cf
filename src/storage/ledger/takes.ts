import { StoreError } from '../../core/errors.js';
import type { NodeIdentity } from '../../core/ports.js';
import type { Span } from '../../core/run.js';
import { control, type Dialect } from './dialect.js';

/**
 * The takes of this process whose COMMIT was sent and not answered, and which spans its workers were given. Without it
 * a span that was ours all the time would be waited for until the lease that nobody works under runs out: 15 s and
 * more. May be lost: then that is what happens.
 */
export class Takes {
  #run = '';
  readonly #inDoubt = new Map<string, Span>();
  readonly #given = new Set<string>();

  /** A take that was answered. Said again after a crash of the server that undid it: then it is the newer one's. */
  give(span: Span): void {
    this.#begin(span.run);
    this.#given.add(tokenOf(span));
  }

  /** The answer to the COMMIT that takes this span is lost; `settleOne` says later what became of it. */
  doubt(span: Span): void {
    this.#begin(span.run);
    this.#inDoubt.set(tokenOf(span), span);
  }

  /**
   * Reads the row of a take in doubt: a span that is ours after all, or null when there is none. While the database
   * does not answer either, that is thrown and the doubt stays for the next worker that asks. Two workers of a process
   * that want one span at once have the same owner, boot and fence to show for it; it is left to the one who was
   * answered.
   */
  async settleOne(dialect: Dialect, runId: string, node: NodeIdentity): Promise<Span | null> {
    this.#begin(runId);
    for (const [token, span] of this.#inDoubt) {
      // Out first, so that no other worker settles it at the same time.
      this.#inDoubt.delete(token);
      try {
        if ((await isOurs(dialect, span, node)) && !this.#given.has(token)) {
          this.give(span);
          return span;
        }
      } catch (error) {
        if (error instanceof StoreError && error.kind === 'unreachable') this.doubt(span);
        throw error;
      }
    }
    return null;
  }

  #begin(runId: string): void {
    if (this.#run === runId) return;
    this.#run = runId;
    this.#inDoubt.clear();
    this.#given.clear();
  }
}

/**
 * Locks the row, because the lost connection's transaction may still be open on the server: the lock waits for its end,
 * and a plain read would show the row as it was before.
 */
async function isOurs(dialect: Dialect, span: Span, node: NodeIdentity): Promise<boolean> {
  const row = await control(
    dialect,
    'see whether a span was taken',
    (trx) =>
      trx
        .selectFrom('span')
        .select(['owner', 'boot'])
        .where('run', '=', span.run)
        .where('no', '=', span.no)
        .where('fence', '=', span.fence)
        .where('state', '=', 'leased')
        .forUpdate()
        .executeTakeFirst(),
    'replayable',
  );
  return row?.owner === node.name && row.boot === node.boot;
}

function tokenOf({ no, fence }: Span): string {
  return `${no}/${fence}`;
}
