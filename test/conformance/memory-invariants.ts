import type { RunRow, SpanRow, Tables } from '../../src/storage/memory/tables.js';

/**
 * What must be true of the reference store's tables at any moment; the databases are asked the same in SQL. Each
 * answer is a violation in words.
 */
export function memoryInvariants(tables: Tables): readonly string[] {
  const runs = [...tables.runs.values()];
  return [
    ...(runs.filter((run) => run.state !== 'ended').length > 1 ? ['more than one run is unfinished'] : []),
    ...runs.flatMap((run) => runFaults(tables, run)),
    ...tables.spans.flatMap((span) => spanFaults(tables, span)),
    ...tables.tallies
      .filter(
        (tally) => tally.span > 0 && !tables.spans.some((s) => s.run === tally.run && s.no === tally.span),
      )
      .map((tally) => `a tally of span ${tally.span}, which is not there`),
  ];
}

function runFaults(tables: Tables, run: RunRow): readonly string[] {
  const faults: string[] = [];
  const spans = tables.spans.filter((span) => span.run === run.id);
  const tallies = tables.tallies.filter((tally) => tally.run === run.id);
  const callbacks = [...tables.outbox.values()].filter((row) => row.run === run.id);
  const tallied = tallies.reduce((sum, tally) => sum + tally.deleted, 0);

  if (run.state === 'ended') {
    if (run.deleted !== tallied) faults.push(`the run says ${run.deleted}, its tallies ${tallied}`);
    if (spans.some((span) => span.state === 'open' || span.state === 'leased'))
      faults.push('work is open in an ended run');
    if (run.outcome === 'complete' && run.round === 0 && spans.some((span) => span.state === 'closed'))
      faults.push('a complete run has a span that was cut short');
    if (run.form === 'multi' && run.told) {
      for (const node of new Set(tallies.map((tally) => tally.node))) {
        if (!callbacks.some((row) => row.node === node)) faults.push(`${node} took part and is not told`);
      }
    }
    if (run.form === 'single' && run.told && callbacks.length !== 1)
      faults.push(`${callbacks.length} callbacks for a run of the single form`);
  } else if (callbacks.length > 0) faults.push('a callback before the end');
  if (new Set(callbacks.map((row) => row.node)).size !== callbacks.length)
    faults.push('a node is told twice');
  if (spans.some((span) => span.no > run.spans)) faults.push('a span number beyond the counter');
  faults.push(...coverFaults(spans.filter((span) => span.kind === 'walk' && span.round === 0)));
  return faults;
}

/** Round 0 covers the whole range: sorted by their lows, each span begins where the one before ends. */
function coverFaults(spans: readonly SpanRow[]): readonly string[] {
  const sorted = spans.filter((span) => span.low !== span.high).sort((a, b) => a.low - b.low);
  return sorted.flatMap((span, index) => {
    const before = sorted[index - 1];
    return before === undefined || before.high === span.low
      ? []
      : [`span ${span.no} begins at ${span.low}, span ${before.no} before it ends at ${before.high}`];
  });
}

function spanFaults(tables: Tables, span: SpanRow): readonly string[] {
  const faults: string[] = [];
  const tallied = tables.tallies
    .filter((tally) => tally.run === span.run && tally.span === span.no)
    .reduce((sum, tally) => sum + tally.deleted, 0);
  if (span.deleted !== tallied) faults.push(`span ${span.no} says ${span.deleted}, its tallies ${tallied}`);
  if (span.kind === 'walk' && span.state === 'done' && span.cursor !== span.high)
    faults.push(`span ${span.no} is done and its cursor is not at its end`);
  if (span.cursor < span.low || span.cursor > span.high)
    faults.push(`the cursor of span ${span.no} lies outside of it`);
  const owned = span.owner !== null && span.boot !== null && span.leaseUntil !== null && span.fence >= 1;
  if (span.state === 'leased' && !owned) faults.push(`span ${span.no} is leased by nobody`);
  return faults;
}
