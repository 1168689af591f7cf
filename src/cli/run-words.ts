/** A run as `status` shows it: one line for one that is over, and the whole picture of one that is not. */
import type { NodeShape, RunShape } from '../wire/run-reply.js';
import { forecastWords } from './forecast-words.js';
import { formatCount, formatDuration, formatShare, reasonWords } from './output.js';

/** One line always carries state and count. */
export function runLines(run: RunShape): readonly string[] {
  const share =
    run.progress.share === null || run.ended_at !== null ? '' : `, ${formatShare(run.progress.share)} walked`;
  const parked = run.parked === 0 ? '' : `, ${formatCount(run.parked)} locked by others`;
  const errors = run.errors.map((error) => `: ${error.details}`).join('');
  const head = `${run.id}  ${run.state}  ${formatCount(run.messages_deleted)} deleted${share}${parked}  by ${run.requested_by} at ${run.started_at}${errors}`;
  return run.ended_at === null ? [head, ...detailLines(run)] : [head];
}

function* detailLines(run: RunShape): Generator<string> {
  yield `  ${[speedWords(run), ...forecastWords(run.progress.forecast)].join(', ')}`;
  if (run.reason === null) yield '  nobody works on it now: an instance, or the next gc, goes on with it';
  else yield `  ${reasonWords(run.reason)}, since ${run.reason.since}`;
  const steering = steeringWords(run.steering);
  if (steering !== '') yield `  ${steering}`;
  const nodes = Object.entries(run.nodes);
  if (nodes.length === 0) return;
  yield* table(
    ['node', 'deleted', 'rows/s', 'state', 'reason'],
    nodes.map(([name, node]) => [
      name,
      formatCount(node.messages_deleted),
      node.rows_per_second === null ? 'unknown' : formatCount(node.rows_per_second),
      node.state,
      node.reason === null ? 'unknown' : reasonWords(node.reason),
    ]),
  );
  for (const [name, node] of nodes) yield* signalLines(name, node);
}

/** `6,950 rows/s, 3.0 s left`; what nobody knows is called so. */
export function speedWords({ progress }: Pick<RunShape, 'progress'>): string {
  const { rows_per_second: speed, eta_seconds: eta } = progress;
  return [
    speed === null ? 'speed unknown' : `${formatCount(speed)} rows/s`,
    eta === null ? 'time left unknown' : `${formatDuration(eta * 1_000)} left`,
  ].join(', ');
}

function steeringWords({ paused_by, max_rows_per_second, profile }: RunShape['steering']): string {
  return [
    ...(paused_by === null ? [] : [`paused by ${paused_by}`]),
    ...(max_rows_per_second === null ? [] : [`at most ${formatCount(max_rows_per_second)} rows/s`]),
    ...(profile === null ? [] : [`profile ${profile}`]),
  ].join(', ');
}

/** Signals that are watched; of those that are not, how many. */
function* signalLines(name: string, { signals }: NodeShape): Generator<string> {
  if (signals === null) return;
  const all = Object.entries(signals);
  const watched = all.filter(([, { state }]) => state !== 'absent' && state !== 'off');
  if (watched.length > 0) {
    yield* table(
      [`signal at ${name}`, 'value', 'limit', 'unit', 'state', ''],
      watched.map(([signal, { value, limit, unit, state, detail }]) => [
        signal,
        value === null ? 'unknown' : String(value),
        limit === null ? 'none' : String(limit),
        unit,
        state,
        detail ?? '',
      ]),
    );
  }
  const rest = all.length - watched.length;
  if (rest > 0) yield `  ${rest} signal(s) not watched there; --json says why`;
}

function* table(head: readonly string[], rows: readonly (readonly string[])[]): Generator<string> {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  for (const row of all) {
    yield `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
  }
}
