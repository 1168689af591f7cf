/** Two clusters on one database, as processes with different secrets: the second is told to go, until the first is gone. */
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { adminPassword, type Instance } from '../harness/instance.js';
import { type CommandResult, type Environment, startCommand } from '../harness/processes.js';
import { until, within } from '../harness/wait.js';
import { dropTemplates, postgresWorld, type World } from '../harness/world.js';

vi.setConfig({ testTimeout: 120_000 });

const ours = 'the secret of the first cluster';
const theirs = 'the secret of another cluster';

function cluster(secret: string, number: number): Environment {
  return {
    MESSAGE_GC_CLUSTER_SECRET: secret,
    MESSAGE_GC_ADMIN_PASSWORD: adminPassword,
    MESSAGE_GC_LISTEN: '127.0.0.1:0',
    COREAPP_HOSTNAME: `wacore${number}`,
    MESSAGE_GC_NODE_ID: `00000000000${number}`,
    MESSAGE_GC_CONTROL_LISTEN: '127.0.0.1:0',
  };
}

async function fingerprint(world: World): Promise<string | null> {
  const { rows } = await world.client.query<{ cluster: string | null }>(
    'SELECT cluster FROM message_gc.ledger',
  );
  return rows[0]?.cluster ?? null;
}

/** A process that must end by itself. */
async function refused(world: World, role: 'webapp' | 'coreapp', env: Environment): Promise<CommandResult> {
  const command = startCommand(['serve', '--role', role], { DATABASE_URL: world.database.url, ...env });
  onTestFinished(() => command.close());
  return within(`the ${role} to be refused`, 20_000, command.ended);
}

async function leaves(instance: Instance): Promise<void> {
  instance.terminate();
  expect(await within('the node to leave', 20_000, instance.ended)).toEqual({ code: 0, signal: null });
}

describePostgres('two clusters on one database', () => {
  afterAll(dropTemplates);

  test('a second one does not start while a node of the first lives, and takes the database when none does', async () => {
    const world = await postgresWorld(1_000);
    const first = await world.start(cluster(ours, 2), 'coreapp');
    const kept = await fingerprint(world);
    expect(kept).toMatch(/^[0-9a-f]{16}$/);

    for (const role of ['coreapp', 'webapp'] as const) {
      const { code, stdout, stderr } = await refused(world, role, cluster(theirs, 3));
      expect(code, stderr).toBe(3);
      expect(stderr).toContain('another MESSAGE_GC_CLUSTER_SECRET');
      expect(stderr).toContain(`${first.node} is alive`);
      expect(stderr).not.toContain(theirs);
      expect(stdout).not.toContain('"msg":"listening"');
    }
    expect(await fingerprint(world)).toBe(kept);
    const { rows } = await world.client.query('SELECT name FROM message_gc.node');
    expect(rows).toEqual([{ name: first.node }]);
    // Its own nodes come and go as before.
    const another = await world.start(cluster(ours, 4), 'coreapp');
    await leaves(another);
    await leaves(first);

    const second = await world.start(cluster(theirs, 3), 'coreapp');
    await until('the log to tell whose database it was', 10_000, () =>
      second.lines.some((line) => line['before'] === kept),
    );
    expect(await fingerprint(world)).not.toBe(kept);
    expect((await refused(world, 'coreapp', cluster(ours, 2))).code).toBe(3);
  });

  test('a single instance asks for no cluster and leaves it as it is', async () => {
    const world = await postgresWorld(1_000);
    const single = await world.start();
    expect(await fingerprint(world)).toBeNull();
    // What it has begun is taken over by whoever has the first secret.
    const first = await world.start(cluster(ours, 2), 'coreapp');
    const kept = await fingerprint(world);
    expect(kept).not.toBeNull();
    await leaves(first);
    await leaves(single);
    const again = await world.start({ MESSAGE_GC_CLUSTER_SECRET: theirs });
    expect(await fingerprint(world)).toBe(kept);
    await leaves(again);
  });
});
