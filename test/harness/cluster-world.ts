/**
 * The world of a cluster: Webapps and Coreapps as processes of their own on one database, each behind a door of its
 * own (a proxy), so that one node can be cut off while the others work. The database and the receiver are given.
 */
import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { type Answer, Instance, type Role } from './instance.js';
import { commitOfBatch, PgProxy } from './pg-proxy.js';
import { MariadbProxy, mariadbStatements } from './mariadb-proxy.js';
import type { Environment } from './processes.js';
import type { Receiver } from './receiver.js';
import { slowRoute } from './slow-route.js';
import { until } from './wait.js';
import { closeAll } from './world.js';

/** The way of one process to its database. */
export type Door = {
  readonly url: string;
  cut(): void;
  refuse(): void;
  heal(): void;
  /** The next COMMIT of a batch reaches the server and its answer reaches nobody; `onHit` is called in between. */
  loseCommit(onHit: () => void): void;
  close(): Promise<void>;
};

export async function postgresDoor(databaseUrl: string): Promise<Door> {
  const proxy = await PgProxy.start(databaseUrl);
  return {
    url: proxy.urlFor(databaseUrl),
    cut: () => proxy.cutAll(),
    refuse: () => proxy.refuse(),
    heal: () => proxy.heal(),
    loseCommit: (onHit) =>
      void proxy.arm({ when: 'answer', match: commitOfBatch(proxy), action: 'cut', onHit }),
    close: () => proxy.close(),
  };
}

export async function mariadbDoor(databaseUrl: string): Promise<Door> {
  const proxy = await MariadbProxy.start(databaseUrl);
  return {
    url: proxy.urlFor(databaseUrl),
    cut: () => proxy.cutAll(),
    refuse: () => proxy.refuse(),
    heal: () => proxy.heal(),
    loseCommit: (onHit) =>
      void proxy.arm({
        match: mariadbStatements.commitOfBatch,
        action: 'hold answer',
        onHit: () => {
          onHit();
          // The statement goes on after this call; the connection dies when the server has had time to commit.
          setTimeout(() => proxy.cutAll(), 50);
        },
      }),
    close: () => proxy.close(),
  };
}

/** One process of the cluster through all of its lives. */
export class Member {
  readonly role: Role;
  readonly door: Door;
  state: 'up' | 'frozen' | 'down' | 'gone' = 'up';
  #instance: Instance;

  constructor(role: Role, door: Door, instance: Instance) {
    this.role = role;
    this.door = door;
    this.#instance = instance;
  }

  get instance(): Instance {
    return this.#instance;
  }

  /** kill -9. `forGood`: nobody will start it again. */
  async kill(forGood: boolean): Promise<void> {
    this.state = forGood ? 'gone' : 'down';
    await this.#instance.kill('SIGKILL');
  }

  /** The same command at the same address. Resolves when it listens. */
  async startAgain(): Promise<Instance> {
    this.#instance = await this.#instance.restart(60_000);
    this.state = 'up';
    return this.#instance;
  }

  freeze(): void {
    this.state = 'frozen';
    this.#instance.signal('SIGSTOP');
  }

  thaw(): void {
    this.#instance.signal('SIGCONT');
    this.state = 'up';
  }
}

export type ClusterWish = {
  readonly coreapps: number;
  readonly webapps: number;
  readonly databaseUrl: string;
  readonly receiver: Receiver;
  readonly door: (databaseUrl: string) => Promise<Door>;
  /** How late each answer of the database arrives at a node. */
  readonly slowMs?: number;
  /** Settings beside the webhook, as PATCH takes them. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Environment;
};

export type ClusterWorld = {
  readonly coreapps: readonly Member[];
  readonly webapps: readonly Member[];
  /** Asks whichever Webapp is up until one answers 200. */
  ask(path: string, deadlineMs?: number): Promise<Answer>;
};

const shared = {
  WA_APP_MULTICONNECT: '1',
  MESSAGE_GC_CLUSTER_SECRET: 'a secret of the tests, long enough',
  MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
};

/** A cluster that works: all nodes registered, the webhook set, one token for all Webapps. */
export async function clusterWorld(wish: ClusterWish): Promise<ClusterWorld> {
  const members: Member[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const { role, state, instance } of members)
        console.error(`--- ${role} ${instance.node || instance.url}, ${state}\n${instance.describe()}`);
    }
    // A life that begins while the test ends is met too: members name their newest instance.
    await closeAll([...closers, ...members.map((member) => () => member.instance.close())]);
  });
  const start = async (role: Role, number: number): Promise<Member> => {
    const route = await slowRoute(wish.databaseUrl, wish.slowMs ?? 0);
    closers.push(() => route.close());
    const door = await wish.door(route.url);
    closers.push(() => door.close());
    const own = { COREAPP_HOSTNAME: `wacore${number}`, MESSAGE_GC_NODE_ID: idOf(number) };
    const env = {
      ...shared,
      ...(role === 'coreapp' ? own : {}),
      ...wish.env,
      DATABASE_URL: door.url,
    };
    const member = new Member(role, door, await Instance.start(env, 60_000, role));
    members.push(member);
    return member;
  };
  const many = (role: Role, count: number) =>
    Promise.all(Array.from({ length: count }, (_, at) => start(role, at + 1)));
  const [coreapps, webapps] = await Promise.all([
    many('coreapp', wish.coreapps),
    many('webapp', wish.webapps),
  ]);

  const first = webapps[0]?.instance;
  if (first === undefined) throw new Error('A cluster without a Webapp has nobody to ask.');
  await first.setWebhook(wish.receiver.url);
  const token = await first.login();
  for (const { instance } of webapps) instance.useToken(token);
  if (wish.settings !== undefined) {
    const answer = await first.api('PATCH', '/v1/settings/application', wish.settings);
    if (answer.status !== 200)
      throw new Error(`PATCH settings was answered ${answer.status}: ${answer.text}`);
  }
  await until('every Coreapp to be registered', 30_000, async () => {
    const { text } = await first.api('GET', '/v1/health');
    return coreapps.every(({ instance }) => text.includes(instance.node));
  });
  return { coreapps, webapps, ask: (path, deadlineMs = 60_000) => ask(webapps, path, deadlineMs) };
}

async function ask(webapps: readonly Member[], path: string, deadlineMs: number): Promise<Answer> {
  let last = 'nobody was up';
  try {
    return await until(`200 to GET ${path}`, deadlineMs, async () => {
      for (const { state, instance } of webapps) {
        if (state !== 'up') continue;
        try {
          const answer = await instance.api('GET', path);
          if (answer.status === 200) return answer;
          last = `${answer.status} ${answer.text}`;
        } catch (cause) {
          // Killed or frozen between the look and the call; another may answer.
          last = String(cause);
        }
      }
      return null;
    });
  } catch (cause) {
    throw new Error(`${(cause as Error).message} Last: ${last}`, { cause });
  }
}

/** Twelve hex, the same for every life of the node. */
function idOf(number: number): string {
  return createHash('sha256').update(`wacore${number}`).digest('hex').slice(0, 12);
}
