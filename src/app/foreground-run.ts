import type { Config } from '../config/read-config.js';
import { type ExitReason, Refusal, StoreError, wordsOf } from '../core/errors.js';
import { newId, passingNodeName } from '../core/node-name.js';
import { mostWorkersOf, paceOf } from '../core/pace.js';
import type { LiveProgress, RunView } from '../core/run-view.js';
import { Coreapp } from '../coreapp/coreapp.js';
import { systemClock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { Bell } from '../kit/sleep.js';
import { createMeters } from '../metrics/meters.js';
import { openStore } from '../storage/open-store.js';
import { Dispatcher } from '../webhooks/dispatcher.js';
import { createSender } from '../webhooks/sender.js';
import { renderCallback } from '../wire/callback-body.js';
import { packageVersion } from '../wire/package-version.js';
import { gatesOf } from './gates.js';
import { intervalsOf } from './intervals.js';
import { policyOf } from './policy.js';
import { prepareOrRefuse } from './store-keeper.js';
import { Timetable } from './timetable.js';
import { watchFor } from './watch.js';

export type ForegroundOptions = {
  /** Null: no limit. */
  readonly maxSeconds: number | null;
  readonly maxRows: number | null;
  /** Let the first run of a mapping through though it would delete nearly everything. */
  readonly confirmed: boolean;
  /** Work outside of the windows too. */
  readonly ignoreWindows: boolean;
  readonly onProgress: (view: RunView, live: LiveProgress | null) => void;
  readonly signal: AbortSignal;
};

export type ForegroundEnd = {
  readonly reason: ExitReason;
  readonly run: RunView;
  readonly joined: boolean;
  /** An older run that was unfinished, and ended as failed because the policy or the server has changed since. */
  readonly overruled: RunView | null;
  readonly callbacks: { readonly delivered: number; readonly waiting: number };
};

/** How often the run is looked at; its end in this process is told at once. Each look asks the application's server. */
const lookMs = 1_000;
/** How long its callback may take here before it is left to whoever serves. */
const deliverMs = 10_000;

/**
 * One run in this process, for cron and jobs. It works under a passing node name, so that it displaces nobody: while
 * an instance runs on the same store, both share one run. Limits and signals leave it paused and resumable: the next
 * `gc`, or an instance, goes on at its cursor.
 */
export async function runInForeground(
  config: Config,
  log: Log,
  options: ForegroundOptions,
): Promise<ForegroundEnd> {
  const pace = paceOf(config);
  const store = openStore({
    database: config.database,
    workers: mostWorkersOf(pace),
    signals: config.signalSources,
    log,
  });
  const bell = new Bell();
  const stopping = new AbortController();
  const timetable = new Timetable({ store, clock: systemClock, log });
  const gates = gatesOf(config, log, options.ignoreWindows ? [] : [timetable.gate]);
  try {
    const facts = await prepareOrRefuse(store, config, true);
    await gates.open();
    const meters = createMeters('000000000000');
    await timetable.refresh();
    let isDisplaced = false;
    const coreapp = new Coreapp({
      store,
      engine: facts,
      node: { name: passingNodeName(config.host), boot: newId(), address: '' },
      form: 'single',
      policy: policyOf(config),
      pace,
      choices: config.signalChoices,
      gates: gates.list,
      intervals: intervalsOf(store.home),
      renderCallback,
      summary: config.summaryCallback,
      clock: systemClock,
      log,
      watch: watchFor(meters, () => bell.ring()),
      onDisplaced: () => {
        isDisplaced = true;
      },
      maxRows: options.maxRows,
    });
    // Before the workers are at it, which end a run that nobody may go on with.
    const found = await store.ledger.active();
    await coreapp.start();
    const keeping = timetable.keep(stopping.signal);
    const startedAt = systemClock.monotonicMs();
    try {
      const answer = await coreapp.askForRun({ requestId: newId(), by: 'gc', confirmed: options.confirmed });
      if (answer.kind === 'braked')
        throw new Refusal('refused', `${answer.words}, then run "message-gc gc --yes"`);
      const { runId, joined } = answer;
      let run: RunView | undefined;
      for (;;) {
        const leftMs =
          options.maxSeconds === null
            ? lookMs
            : startedAt + options.maxSeconds * 1_000 - systemClock.monotonicMs();
        await bell.wait(Math.max(0, Math.min(lookMs, leftMs)), options.signal);
        const seen = await store.ledger.run(runId).catch(lostForNow);
        if (seen === null) throw new Refusal('failed', `The run ${runId} is gone from the ledger`);
        run = seen ?? run;
        if (run !== undefined) options.onProgress(run, coreapp.progress(runId));
        const isOver =
          options.signal.aborted ||
          isDisplaced ||
          coreapp.isLimitReached ||
          (options.maxSeconds !== null &&
            systemClock.monotonicMs() - startedAt >= options.maxSeconds * 1_000);
        if (!isOver && (seen === undefined || !hasEnded(seen))) continue;
        await coreapp.stop();
        // The batch in hand was finished by stop: what it removed belongs to what is told.
        const last = (await store.ledger.run(runId).catch(lostForNow)) ?? null;
        if (last === null) throw lostAtTheEnd(config, runId);
        const callbacks = hasEnded(last)
          ? await deliver(store, log, config, runId)
          : { delivered: 0, waiting: 0 };
        if (hasEnded(last)) {
          await store
            .tidyUp(policyOf(config))
            .catch((error: unknown) => log.warn({}, `could not tidy up after the run: ${wordsOf(error)}`));
        }
        const overruled =
          found === null || found.id === runId ? null : await store.ledger.run(found.id).catch(() => null);
        return { reason: reasonOf(last), run: last, joined, overruled, callbacks };
      }
    } finally {
      stopping.abort();
      await Promise.all([coreapp.stop(), keeping]);
    }
  } finally {
    await gates.close();
    await store.close();
  }
}

/** The workers wait for a lost database as long as it is lost; whoever only looks does so too. */
function lostForNow(error: unknown): undefined {
  if (error instanceof StoreError && error.kind === 'unreachable') return undefined;
  throw error;
}

function lostAtTheEnd(config: Config, runId: string): Refusal {
  return new Refusal(
    'unreachable',
    `The database at ${config.database.where} cannot be reached, so the number is not known here. Run ${runId} is kept there: the next gc, or an instance, goes on with it`,
  );
}

function hasEnded(run: RunView): boolean {
  return run.state === 'complete' || run.state === 'failed';
}

function reasonOf(run: RunView): ExitReason {
  if (run.state === 'complete') return 'complete';
  if (run.state !== 'failed') return 'paused';
  return run.errors.some((error) => error.details.startsWith('Cancelled by')) ? 'cancelled' : 'failed';
}

/** The receiver is told here if it answers soon; otherwise the callback waits in the outbox for an instance. */
async function deliver(
  store: ReturnType<typeof openStore>,
  log: Log,
  config: Config,
  runId: string,
): Promise<{ readonly delivered: number; readonly waiting: number }> {
  const { webhookUrl } = await store.home.settings();
  if (webhookUrl === '') return { delivered: 0, waiting: await store.outbox.waiting() };
  const dispatcher = new Dispatcher({
    outbox: store.outbox,
    settings: () => store.home.settings(),
    sender: createSender(),
    clock: systemClock,
    log,
    version: packageVersion,
    requireHttps: config.requireHttps,
  });
  return dispatcher.deliverOnce(runId, deliverMs);
}
