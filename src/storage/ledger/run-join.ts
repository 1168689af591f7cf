import { StoreError } from '../../core/errors.js';
import type { StartRequest } from '../../core/ports.js';
import { control, type Db, type Dialect, reading } from './dialect.js';

/**
 * A request at a node that takes part already: nothing that must outlive a crash is new, so its row is all that is
 * written, and its commit waits for no disk. That wait was most of the answer's time, because the log which the
 * sweep has just written has to be flushed first. Null: it is no such request, or it is known already.
 */
export async function joinRun(dialect: Dialect, request: StartRequest): Promise<string | null> {
  try {
    return dialect.settingsAsCondition === null
      ? await control(dialect, 'join the run', (trx) => joinThenLook(trx, dialect, request), 'replayable')
      : await joinInOne(dialect, request);
  } catch (error) {
    // The same request, on its way at another node.
    if (error instanceof StoreError && error.kind === 'duplicate') return null;
    throw error;
  }
}

/** One round trip in place of four. A conflict is left to the protocol's start, which tries again. */
async function joinInOne(dialect: Dialect, request: StartRequest): Promise<string | null> {
  try {
    const made = await reading(dialect, 'join the run', (db) =>
      requestOfRun(db, dialect, request).returning('run').executeTakeFirst(),
    );
    return made?.run ?? null;
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'conflict') return null;
    throw error;
  }
}

async function joinThenLook(trx: Db, dialect: Dialect, request: StartRequest): Promise<string | null> {
  const made = await requestOfRun(trx, dialect, request).executeTakeFirstOrThrow();
  if (made.numInsertedOrUpdatedRows !== 1n) return null;
  const { run } = await trx
    .selectFrom('request')
    .select('run')
    .where('id', '=', request.requestId)
    .executeTakeFirstOrThrow();
  return run;
}

/** One statement sees that the run goes on and writes: an ending before it leaves nothing to join. */
function requestOfRun(db: Db, dialect: Dialect, { requestId, form, by, node, policyHash }: StartRequest) {
  return db
    .insertInto('request')
    .columns(['id', 'run', 'made_by', 'made_at'])
    .expression((from) => {
      const found = from
        .selectFrom('run')
        .innerJoin('tally', 'tally.run', 'run.id')
        .select((run) => [
          run.val(requestId).as('id'),
          run.ref('run.id').as('run'),
          run.val(by).as('made_by'),
          dialect.now().as('made_at'),
        ])
        .where('run.active', '=', 1)
        .where('run.form', '=', form)
        .where('run.policy_hash', '=', policyHash)
        .where('tally.span', '=', 0)
        .where('tally.node', '=', node.name)
        .where('run.id', '<>', requestId);
      return dialect.settingsAsCondition === null ? found : found.where(dialect.settingsAsCondition);
    });
}
