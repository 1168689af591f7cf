import { StoreError } from '../core/errors.js';
import type { Pace } from '../core/pace.js';
import { type Policy, policyHash } from '../core/policy.js';
import type { ForetoldRun } from '../core/dry-run.js';
import type { KnownNode, RenderCallback, SteerChange, Store } from '../core/ports.js';
import type { RunView } from '../core/run-view.js';
import { cancelRun } from '../coreapp/cancel-run.js';
import { firstRunBrake } from '../coreapp/first-run-brake.js';
import { steerRun } from '../coreapp/steer-run.js';
import { systemClock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { within } from '../webapp/deadline.js';
import type { DeskAnswer, DeskHealth, RunDesk, StartAsked } from '../webapp/deps.js';
import type { NodeCaller } from '../webapp/nodes/call-node.js';
import { fanOut, type NodeList } from '../webapp/nodes/fan-out.js';
import type { NodeHealth } from '../wire/health-reply.js';
import { dryRunOf } from './dry-run.js';
import type { StoreKeeper } from './store-keeper.js';

export type FanOutDeskDeps = {
  readonly keeper: StoreKeeper;
  readonly store: Store;
  readonly policy: Policy;
  readonly pace: Pace;
  readonly nodes: NodeList;
  readonly caller: NodeCaller;
  readonly log: Log;
  readonly how: { readonly renderCallback: RenderCallback; readonly summary: boolean };
};

/** Of the time that a PUT has, what is kept for reading answers and writing its own. */
const ownShareMs = 300;
/** A database that does not answer must not use up the time of the nodes. */
const listMs = 2_000;
/** A node that has not answered by then is told as not reached. */
const nodeDeadlineMs = 5_000;

/** Where runs are asked for in Multiconnect: at every Coreapp at once. */
export class FanOutDesk implements RunDesk {
  readonly startWithinMs = nodeDeadlineMs + 500;
  readonly #deps: FanOutDeskDeps;

  constructor(deps: FanOutDeskDeps) {
    this.#deps = deps;
  }

  async start({ requestId, by, confirmed, withinMs }: StartAsked): Promise<DeskAnswer> {
    const { store, policy, caller, log } = this.#deps;
    const askedAt = systemClock.monotonicMs();
    // Here and not at each node: one look at the table is enough.
    const braked = confirmed ? null : await firstRunBrake({ store, policy });
    if (braked !== null) return braked;
    const nodes = await this.#known();
    const leftMs = withinMs - ownShareMs - (systemClock.monotonicMs() - askedAt);
    const answered = await fanOut(
      nodes,
      caller,
      { request: requestId, by, policy_hash: policyHash(policy) },
      Math.max(100, Math.min(nodeDeadlineMs, leftMs)),
    );
    log.debug({ request: requestId, nodes: answered.nodes.length }, 'the nodes were asked');
    return { kind: 'asked', ...answered };
  }

  /** The list last seen serves while the database is away from here: the nodes may still reach it. */
  async #known(): Promise<readonly KnownNode[]> {
    const { nodes } = this.#deps;
    try {
      return await within(nodes.read(), listMs, 'list the nodes');
    } catch (error) {
      if (!(error instanceof StoreError) || nodes.seen.length === 0) throw error;
      return nodes.seen;
    }
  }

  async dryRun(): Promise<ForetoldRun> {
    const { keeper, store, policy, pace } = this.#deps;
    if (keeper.facts === null) throw keeper.trouble;
    return dryRunOf(store, policy, pace);
  }

  /** Only the nodes know. */
  progress(): null {
    return null;
  }

  async cancel(by: string): Promise<RunView | null> {
    const { keeper, store, log, how } = this.#deps;
    if (keeper.facts === null) throw keeper.trouble;
    const cancelled = await cancelRun(store.ledger, by, how);
    if (cancelled === null) return null;
    if (cancelled.ended) log.info({ run: cancelled.runId, by, outcome: 'failed' }, 'the run was cancelled');
    return store.ledger.run(cancelled.runId);
  }

  async steer(change: SteerChange, by: string): Promise<RunView | null> {
    const { keeper, store, log } = this.#deps;
    if (keeper.facts === null) throw keeper.trouble;
    return steerRun(store.ledger, change, by, log);
  }

  async nodes(): Promise<readonly NodeHealth[]> {
    const { unhealthyIntervalS } = await this.#deps.store.home.settings();
    const known = await this.#deps.nodes.read();
    return known.map(({ name, silentMs }) => ({
      name,
      gateway_status: silentMs > unhealthyIntervalS * 1_000 ? 'disconnected' : 'connected',
      role: 'coreapp',
    }));
  }

  nodesLastSeen(): readonly NodeHealth[] {
    return this.#deps.nodes.seen.map(({ name }) => ({
      name,
      gateway_status: 'disconnected',
      role: 'coreapp',
    }));
  }

  health(): DeskHealth {
    const { keeper } = this.#deps;
    return { gateway: keeper.state, warnings: [], ready: keeper.state === 'connected' };
  }
}
