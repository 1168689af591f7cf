/**
 * The world of one black-box test on the embedded database: a folder of its own that the product's `seed` filled, and
 * a receiver. One process at a time may open the folder, so the oracle looks only while no product process lives.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { onTestFinished } from 'vitest';
import { Instance } from './instance.js';
import { type Keys, Oracle } from './oracle.js';
import { type Environment, seed } from './processes.js';
import { Receiver } from './receiver.js';
import { closeAll } from './world.js';

export type EmbeddedWorld = {
  readonly folder: string;
  readonly receiver: Receiver;
  readonly before: Keys;
  readonly eligible: Keys;
  start(env?: Environment): Promise<Instance>;
  restart(instance: Instance): Promise<Instance>;
  /** Opens the folder, asks, closes it. No product process may have it open. */
  ask<T>(question: (oracle: Oracle) => Promise<T>): Promise<T>;
  /** The same of a copy, so that a folder which a killed process left is not recovered by the question. */
  askCopy<T>(question: (oracle: Oracle) => Promise<T>): Promise<T>;
  /** Lets the time of claimed callbacks be over, as if their senders had died long ago. */
  claimsRunOut(): Promise<void>;
};

type Template = { readonly parent: string; readonly before: Keys; readonly eligible: Keys };

/** Seeded folders by rows, to be copied: making a database anew takes seconds, and so does opening it to ask. */
const templates = new Map<number, Promise<Template>>();

export async function dropEmbeddedTemplates(): Promise<void> {
  const made = [...templates.values()];
  templates.clear();
  for (const folder of await Promise.allSettled(made)) {
    if (folder.status === 'fulfilled') await rm(folder.value.parent, { recursive: true, force: true });
  }
}

function seededTemplate(rows: number): Promise<Template> {
  const known = templates.get(rows);
  if (known !== undefined) return known;
  const made = (async () => {
    const parent = await mkdtemp(join(tmpdir(), 'mgc-template-'));
    await seed({ DATABASE_URL: `pglite:${join(parent, 'data')}` }, rows);
    const keys = await askFolder(join(parent, 'data'), async (oracle) => ({
      before: await oracle.allKeys(),
      eligible: await oracle.eligibleKeys(),
    }));
    return { parent, ...keys };
  })();
  templates.set(rows, made);
  return made;
}

/** A thousand small files: the system's own program takes a tenth of the time of Node's. */
async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', from, to]);
}

async function inFolder<T>(folder: string, work: (lite: PGlite) => Promise<T>): Promise<T> {
  const lite = await PGlite.create(folder);
  try {
    return await work(lite);
  } finally {
    await lite.close();
  }
}

function askFolder<T>(folder: string, question: (oracle: Oracle) => Promise<T>): Promise<T> {
  return inFolder(folder, (lite) =>
    question(
      new Oracle({ query: (sql, values) => lite.query(sql, values === undefined ? [] : [...values]) }),
    ),
  );
}

export async function embeddedWorld(rows: number): Promise<EmbeddedWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  const instances: Instance[] = [];
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const instance of instances) console.error(`--- instance ${instance.url}\n${instance.describe()}`);
    }
    await closeAll(closers);
  });

  const template = await seededTemplate(rows);
  const parent = await mkdtemp(join(tmpdir(), 'mgc-test-'));
  closers.push(() => rm(parent, { recursive: true, force: true }));
  const folder = join(parent, 'data');
  await copyFolder(join(template.parent, 'data'), folder);
  const receiver = await Receiver.start();
  closers.push(() => receiver.close());

  const keep = (instance: Instance): Instance => {
    instances.push(instance);
    closers.push(() => instance.close());
    return instance;
  };
  return {
    folder,
    receiver,
    before: template.before,
    eligible: template.eligible,
    ask: (question) => askFolder(folder, question),
    askCopy: async (question) => {
      const copy = join(parent, 'copy');
      await copyFolder(folder, copy);
      try {
        return await askFolder(copy, question);
      } finally {
        await rm(copy, { recursive: true, force: true });
      }
    },
    claimsRunOut: () =>
      inFolder(folder, async (lite) => {
        await lite.query(
          'UPDATE message_gc.outbox SET claimed_until = clock_timestamp() WHERE claimed_until IS NOT NULL',
        );
      }),
    start: async (env = {}) => {
      const instance = keep(
        await Instance.start({ DATABASE_URL: `pglite:${folder}`, LOG_LEVEL: 'trace', ...env }, 30_000),
      );
      await instance.setWebhook(receiver.url);
      return instance;
    },
    restart: async (instance) => keep(await instance.restart(30_000)),
  };
}
