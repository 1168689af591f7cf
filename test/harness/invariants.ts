/**
 * What must be true of the ledger at any moment, also in the middle of a run and between two transactions of it. Each
 * query answers the rows that break the rule, in one snapshot; no row is what is wanted.
 */
export type Invariant = { readonly rule: string; readonly sql: string };

export const invariants: readonly Invariant[] = [
  {
    rule: 'the flag "active" is set exactly while a run is unfinished',
    sql: `SELECT id FROM message_gc.run WHERE (active IS NULL) <> (state = 'ended')`,
  },
  {
    rule: 'at most one run is unfinished',
    sql: `SELECT count(*)::int AS n FROM message_gc.run WHERE state <> 'ended' HAVING count(*) > 1`,
  },
  {
    rule: "an ended run's total is the sum of its tallies",
    sql: `SELECT r.id, r.deleted::text FROM message_gc.run r WHERE r.state = 'ended' AND r.deleted <>
      (SELECT coalesce(sum(t.deleted), 0) FROM message_gc.tally t WHERE t.run = r.id)`,
  },
  {
    rule: "a span's count is the sum of its tallies",
    sql: `SELECT s.run, s.no FROM message_gc.span s WHERE s.deleted <>
      (SELECT coalesce(sum(t.deleted), 0) FROM message_gc.tally t WHERE t.run = s.run AND t.span = s.no)`,
  },
  {
    rule: 'an ended run has no work open',
    sql: `SELECT s.run, s.no, s.state FROM message_gc.span s JOIN message_gc.run r ON r.id = s.run
      WHERE r.state = 'ended' AND s.state IN ('open', 'leased')`,
  },
  {
    rule: 'a complete run of one round was not cut short',
    sql: `SELECT s.run, s.no FROM message_gc.span s JOIN message_gc.run r ON r.id = s.run
      WHERE r.outcome = 'complete' AND r.round = 0 AND s.state = 'closed'`,
  },
  {
    rule: 'a walk that is done was walked to its end',
    sql: `SELECT run, no FROM message_gc.span WHERE kind = 'walk' AND state = 'done' AND cursor_key <> high_key`,
  },
  {
    rule: 'a leased span has its owner, boot, lease and fence',
    sql: `SELECT run, no FROM message_gc.span WHERE state = 'leased'
      AND (owner IS NULL OR boot IS NULL OR lease_until IS NULL OR fence < 1)`,
  },
  {
    rule: "round 0 leaves no gap: every low is the run's low or another span's high",
    sql: `SELECT s.run, s.no FROM message_gc.span s JOIN message_gc.run r ON r.id = s.run
      LEFT JOIN message_gc.span p ON p.run = s.run AND p.round = 0 AND p.kind = 'walk'
        AND p.low_key <> p.high_key AND p.high_key = s.low_key
      WHERE s.kind = 'walk' AND s.round = 0 AND s.low_key <> s.high_key AND s.low_key <> r.low_key AND p.no IS NULL`,
  },
  {
    rule: 'round 0 walks nothing twice: no low is shared',
    sql: `SELECT run, low_key FROM message_gc.span WHERE kind = 'walk' AND round = 0 AND low_key <> high_key
      GROUP BY run, low_key HAVING count(*) > 1`,
  },
  {
    rule: "round 0 reaches the run's high exactly once",
    sql: `SELECT r.id FROM message_gc.run r JOIN message_gc.span s
      ON s.run = r.id AND s.kind = 'walk' AND s.round = 0 AND s.low_key <> s.high_key
      GROUP BY r.id, r.high_key HAVING sum(CASE WHEN s.high_key = r.high_key THEN 1 ELSE 0 END) <> 1`,
  },
  {
    rule: 'everyone who took part in an ended run of several nodes is told',
    sql: `SELECT t.run, t.node FROM message_gc.tally t JOIN message_gc.run r ON r.id = t.run
      LEFT JOIN message_gc.outbox o ON o.run = t.run AND o.node = t.node
      WHERE r.state = 'ended' AND r.form = 'multi' AND o.id IS NULL`,
  },
  {
    rule: 'nobody is told before the end',
    sql: `SELECT o.id FROM message_gc.outbox o JOIN message_gc.run r ON r.id = o.run WHERE r.state <> 'ended'`,
  },
  {
    rule: 'a run of a single instance has one callback at most',
    sql: `SELECT run FROM message_gc.outbox WHERE node = '' GROUP BY run HAVING count(*) > 1`,
  },
  {
    rule: 'no span has a number beyond the counter',
    sql: `SELECT s.run, s.no FROM message_gc.span s JOIN message_gc.run r ON r.id = s.run WHERE s.no > r.spans`,
  },
  {
    rule: 'no tally is of a span that is not there',
    sql: `SELECT t.run, t.span FROM message_gc.tally t LEFT JOIN message_gc.span s ON s.run = t.run AND s.no = t.span
      WHERE t.span > 0 AND s.no IS NULL`,
  },
];
