/** Carries out the faults of a plan on a cluster, and counts what landed. */
import type { ClusterWorld, Member } from '../harness/cluster-world.js';
import { pause } from '../harness/wait.js';
import type { Fault, FaultKind } from './chaos-plan.js';

export type Server = { crash(): Promise<void>; startAgain(): Promise<void> };

/** What the strikes of a round know and leave behind. */
export class Strikes {
  readonly landed = new Map<string, number>();
  /** Restarts, thaws and heals that are still to come; a round is over when they are. */
  readonly #tails: Promise<void>[] = [];
  readonly #cluster: ClusterWorld;
  readonly #server: Server | null;
  readonly #put: (webapp: Member) => Promise<string | null>;

  /** `put` answers what came of the request, in a word for the count; null when it was not answered. */
  constructor(cluster: ClusterWorld, server: Server | null, put: (webapp: Member) => Promise<string | null>) {
    this.#cluster = cluster;
    this.#server = server;
    this.#put = put;
  }

  async strike(fault: Fault): Promise<void> {
    const { coreapps, webapps } = this.#cluster;
    switch (fault.kind) {
      case 'kill coreapp':
      case 'kill webapp': {
        const group = fault.kind === 'kill coreapp' ? coreapps : webapps;
        const victim = upFrom(group, fault.which);
        if (victim === null) return;
        // One of each kind lives to the end: somebody has to work, and somebody has to be asked.
        const survivors = group.filter((member) => member !== victim && member.state !== 'gone').length;
        const againMs = fault.againMs ?? (survivors === 0 ? 500 : null);
        const isAtCommit =
          fault.atCommit && (await atCommit(victim, () => victim.instance.signal('SIGKILL')));
        if (victim.state !== 'up') return;
        await victim.kill(againMs === null);
        this.#count(fault.kind, isAtCommit ? 'at a COMMIT' : '', againMs === null ? 'for good' : '');
        if (againMs !== null)
          this.#later(againMs, async () => {
            await victim.startAgain();
          });
        return;
      }
      case 'freeze': {
        const victim = upFrom(coreapps, fault.which);
        if (victim === null) return;
        victim.freeze();
        this.#count('freeze', fault.ms >= 15_000 ? 'past the lease' : '');
        this.#later(fault.ms, async () => victim.thaw());
        return;
      }
      case 'cut': {
        const victim = upFrom([...coreapps, ...webapps], fault.which);
        if (victim === null) return;
        const isAtCommit = fault.atCommit && victim.role === 'coreapp' && (await atCommit(victim));
        victim.door.cut();
        this.#count('cut', isAtCommit ? 'at a COMMIT' : '');
        return;
      }
      case 'cut off': {
        const { door } = upFrom([...coreapps, ...webapps], fault.which) ?? {};
        if (door === undefined) return;
        door.refuse();
        this.#count('cut off');
        this.#later(fault.ms, async () => door.heal());
        return;
      }
      case 'put': {
        const webapp = upFrom(webapps, fault.which);
        if (webapp === null) return;
        // A frozen node keeps the answer waiting for 5 s, and the next fault does not wait for it.
        this.#later(0, async () => {
          const word = await this.#put(webapp);
          if (word !== null) this.#count('put', word);
        });
        return;
      }
      case 'crash server': {
        if (this.#server === null) return;
        await this.#server.crash();
        await pause(fault.downMs);
        await this.#server.startAgain();
        this.#count('crash server');
      }
    }
  }

  /** Waits for what was promised: nodes that come back, thaw or see the database again. */
  async over(): Promise<void> {
    await Promise.all(this.#tails);
  }

  #count(kind: FaultKind, ...how: string[]): void {
    const name = [kind, ...how].filter((word) => word !== '').join(' ');
    this.landed.set(name, (this.landed.get(name) ?? 0) + 1);
  }

  #later(ms: number, then: () => Promise<void>): void {
    const tail = pause(ms).then(then);
    // Whoever awaits `over` sees the failure; a round that failed before must not end the process by it.
    tail.catch(() => undefined);
    this.#tails.push(tail);
  }
}

/** The first from `which` on, around, that is up. */
function upFrom(members: readonly Member[], which: number): Member | null {
  const turned = [...members.slice(which), ...members.slice(0, which)];
  return turned.find(({ state }) => state === 'up') ?? null;
}

/** How long a node is waited for that may have nothing to commit. */
const commitMs = 1_000;

/**
 * True when the node lost the answer to a COMMIT, false when it committed no batch in time. `then` is called in the
 * instant of the loss. A trap that nobody met stays, and cuts one connection more some day.
 */
function atCommit(member: Member, then: () => void = () => undefined): Promise<boolean> {
  let isLate = false;
  const hit = new Promise<boolean>((resolve) => {
    member.door.loseCommit(() => {
      if (isLate) return;
      then();
      resolve(true);
    });
  });
  const late = pause(commitMs).then(() => {
    isLate = true;
    return false;
  });
  return Promise.race([hit, late]);
}
