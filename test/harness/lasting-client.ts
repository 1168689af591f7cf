/** A session that outlives its server: the oracle only reads, so what was lost is asked again. */
import pg from 'pg';
import type { Asker } from './oracle.js';
import { until } from './wait.js';

type Session = {
  query(sql: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
  onLoss(lose: () => void): void;
};

/**
 * @param connect a session that is ready
 * @param isAnswer whether the error is what a server answered to a question that it understood: asking again is no use
 */
export function lastingClient(
  connect: () => Promise<Session>,
  isAnswer: (cause: unknown) => boolean,
): Asker & { end(): Promise<void> } {
  let session: Session | null = null;
  let connecting: Promise<Session> | null = null;
  let isEnded = false;
  const connected = async (): Promise<Session> => {
    if (session !== null) return session;
    connecting ??= connect()
      .then((made) => {
        session = made;
        made.onLoss(() => {
          if (session === made) session = null;
        });
        return made;
      })
      .finally(() => {
        connecting = null;
      });
    return connecting;
  };
  return {
    query: (sql, values = []) =>
      until(`the database to answer: ${sql.slice(0, 80)}`, 30_000, async () => {
        let used: Session | null = null;
        try {
          used = await connected();
          return await used.query(sql, values);
        } catch (cause) {
          if (isAnswer(cause) || isEnded) throw cause;
          // A driver that tells the loss to the question alone emits nothing.
          if (session === used) session = null;
          return null;
        }
      }),
    async end() {
      isEnded = true;
      await session?.end();
    },
  };
}

/** Not that it is shutting down, starting or crashing, nor that the connection broke. */
export function isPostgresAnswer(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && !/^(57P|08)/.test(cause.code ?? '');
}

/** A server's own error has its SQLSTATE and leaves the connection open. */
export function isMariadbsAnswer(cause: unknown): boolean {
  const { sqlState, fatal } = cause as { readonly sqlState?: string; readonly fatal?: boolean };
  return sqlState !== undefined && fatal !== true && !sqlState.startsWith('08');
}
