import { policyHash } from '../core/policy.js';
import type { Finding } from '../core/ports.js';
import type { Plan, Run } from '../core/run.js';
import type { CoreappDeps } from './deps.js';
import { completeRun, failRun } from './finish-run.js';

/**
 * Whether this node may work on the run at all. A run goes on only under the policy that it froze and on the server
 * where it began: an operator who mends a wrong rule and restarts is obeyed, and a backup that was restored elsewhere
 * tells nobody. `theirs`: other nodes that live work by its policy; `ended`: nobody does, so it was ended as failed.
 */
export async function standingOf(
  deps: CoreappDeps,
  run: Run,
  leaseMs: number,
): Promise<'ours' | 'theirs' | 'ended'> {
  if (run.server !== deps.engine.server) {
    await failRun(
      deps,
      run,
      `The run began on another server (${run.server}) and does not go on here (${deps.engine.server})`,
      false,
    );
    return 'ended';
  }
  if (run.policyHash === policyHash(deps.policy)) return 'ours';
  const live = await deps.store.ledger.nodes(leaseMs);
  const isObeyed = live.some((node) => node.boot !== deps.node.boot && node.policyHash === run.policyHash);
  if (isObeyed) return 'theirs';
  await failRun(deps, run, 'The policy was changed; start again');
  return 'ended';
}

/** T4: reads first, outside; the write decides. Nothing eligible: the run ends at once, complete with 0. */
export async function planRun(deps: CoreappDeps, run: Run): Promise<void> {
  const obstacles = await deps.store.doctor.obstacles(deps.policy);
  const errors = obstacles.filter(({ level }) => level === 'error');
  if (errors.length > 0) {
    await failRun(deps, run, errors.map(obstacleWords).join(' '));
    return;
  }
  const answer = await deps.store.planner.plan(deps.policy);
  const { plan } = answer;
  if (answer.kind === 'nothing') {
    deps.log.info({ run: run.id, horizon: plan.horizon }, 'nothing is eligible');
    await completeRun(deps, run, plan);
    return;
  }
  if (await deps.store.ledger.plan(run.id, deps.policy, plan)) {
    deps.log.info(
      {
        run: run.id,
        horizon: plan.horizon,
        walk: plan.walk,
        foreign_keys: plan.foreignKeys,
        units: plan.units,
      },
      `the run is planned: ${plan.why}`,
    );
  }
}

/** For `errors[].details`: what was found, and what to do. */
function obstacleWords({ found, todo }: Finding): string {
  return todo === null ? found : `${found} ${todo}`;
}

/** What has moved since is counted from where the walk began, or not at all, so that a look must follow. */
function sinceBefore(before: Plan, { guards }: Plan): Plan['guards'] {
  const { moves: _, ...rest } = guards;
  const { moves } = before.guards;
  return moves === undefined ? rest : { ...rest, moves };
}

/**
 * A guard of the plan did not hold (a foreign key or trigger was added, the table was rewritten). Planned anew with
 * the same horizon; the walk begins again only where the places that it walked are not the same any more.
 */
export async function replanRun(deps: CoreappDeps, run: Run, words: string): Promise<void> {
  const before = run.plan;
  if (before === null) return;
  const { plan } = await deps.store.planner.plan(deps.policy);
  const isRewritten = before.walk === 'blocks' && plan.guards['file'] !== before.guards['file'];
  deps.log.warn({ run: run.id, restarts_walk: isRewritten }, `the plan no longer holds: ${words}`);
  const next = isRewritten
    ? { ...plan, horizon: before.horizon }
    : { ...before, foreignKeys: plan.foreignKeys, guards: sinceBefore(before, plan), why: plan.why };
  await deps.store.ledger.replan(run.id, next, isRewritten);
}
