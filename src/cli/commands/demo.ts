import type { Command } from 'commander';
import { startInstance } from '../../app/instance.js';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { exitCodes } from '../../core/errors.js';
import { silentLog } from '../../kit/log.js';
import { type Received, startReceiver } from '../callback-receiver.js';
import { createClient } from '../api-client.js';
import { type DemoWorld, makeDemoWorld } from '../demo-world.js';
import { createOutput, formatCount, formatDuration, type Output, reasonWords } from '../output.js';
import { createProgress } from '../progress-bar.js';
import { wholeNumber } from '../whole-number.js';
import { withStore } from '../with-store.js';

type Options = { readonly rows: number; readonly json?: boolean };

export function register(program: Command): void {
  program
    .command('demo')
    .description(
      'Run the main job from end to end on a scratch database: seed, PUT, progress, callback, counts.',
    )
    .option('--rows <n>', 'how many messages', wholeNumber(1), 200_000)
    .option('--json', 'print the result as one JSON line')
    .action(async (options: Options) => {
      // The demo collects a table that it makes itself: a mapping of yours has no say in it.
      const config = readConfig(environment, { useMapping: false });
      const output = createOutput({ json: options.json === true });
      const world = await makeDemoWorld(
        config,
        Boolean(environment['DATABASE_URL'] || environment['WA_DB_ENGINE']),
      );
      try {
        const agree = await demonstrate(world, options.rows, output);
        process.exitCode = agree ? exitCodes.complete : exitCodes.failed;
      } finally {
        await world.remove();
      }
    });
}

async function demonstrate({ config, words }: DemoWorld, rows: number, output: Output): Promise<boolean> {
  output.print(`message-gc demo: ${formatCount(rows)} messages in ${words}\n`);
  const seedStartedAt = performance.now();
  const before = await withStore(config, { migrate: true }, async (store) => {
    await store.ownTables.seed({ rows, processed: 0.7, onProgress: () => undefined });
    return store.ownTables.counts();
  });
  output.print(
    `seeded in ${formatDuration(performance.now() - seedStartedAt)}: ${formatCount(before.messages)} messages, ${formatCount(before.processed)} of them processed, ${formatCount(before.receipts)} receipts\n`,
  );
  const run = await collect(config, output);
  const after = await withStore(config, { migrate: false }, (store) => store.ownTables.counts());
  const gone = before.messages - after.messages;
  const told = run.callback.json;
  const deleted = messagesDeleted(told);
  const agree = deleted === gone && gone === before.processed && after.processed === 0;
  output.print(
    `\ncounted in the database     before ${formatCount(before.messages)}   after ${formatCount(after.messages)}   gone ${formatCount(gone)}`,
  );
  output.print(
    `told by the callback        messages_deleted ${deleted === null ? 'nothing' : formatCount(deleted)}`,
  );
  output.print(`receipts that went along    ${formatCount(before.receipts - after.receipts)}`);
  output.print(agree ? '\nThe numbers agree.' : '\nTHE NUMBERS DO NOT AGREE.');
  output.printJson({
    database: words,
    before,
    after,
    response: run.response,
    callback: told,
    milliseconds: Math.round(run.milliseconds),
    agree,
  });
  return agree;
}

/** Starts an instance and a receiver, asks for a collection as any client would, and waits for its callback. */
async function collect(config: DemoWorld['config'], output: Output) {
  let arrived: (received: Received) => void = () => undefined;
  const callback = new Promise<Received>((resolve) => {
    arrived = resolve;
  });
  const receiver = await startReceiver({
    host: '127.0.0.1',
    port: 0,
    onCallback: (received) => arrived(received),
  });
  const instance = await startInstance(config, silentLog);
  try {
    const client = await createClient(instance.url, 'admin', config.adminPassword ?? '');
    await client.request('PATCH', '/v1/settings/application', { webhooks: { url: receiver.url } });
    const startedAt = performance.now();
    const response = await client.request('PUT', '/v1/services/message/gc');
    output.print(`PUT /v1/services/message/gc → ${response.status}\n${JSON.stringify(response.body)}\n`);
    const received = await watchUntil(client, callback, output);
    const milliseconds = performance.now() - startedAt;
    output.print(
      `\nthe callback, ${formatDuration(milliseconds)} after the PUT:\nPOST ${receiver.url}\n${received.body}`,
    );
    return { response: response.body, callback: received, milliseconds };
  } finally {
    await instance.stop();
    await receiver.close();
  }
}

async function watchUntil(
  client: Awaited<ReturnType<typeof createClient>>,
  callback: Promise<Received>,
  output: Output,
): Promise<Received> {
  const progress = output.json
    ? null
    : createProgress({ stream: process.stdout, isTTY: process.stdout.isTTY });
  let received: Received | null = null;
  void callback.then((one) => {
    received = one;
  });
  try {
    while (received === null) {
      const run = await client.newestRun();
      if (run !== null) {
        progress?.update({
          share: run.progress.share,
          deleted: run.messages_deleted,
          rowsPerSecond: run.progress.rows_per_second ?? 0,
          etaSeconds: run.progress.eta_seconds,
          reason: run.reason === null ? 'working' : reasonWords(run.reason),
        });
      }
      await Promise.race([callback, new Promise((resolve) => setTimeout(resolve, 250))]);
    }
    return await callback;
  } finally {
    progress?.finish();
  }
}

function messagesDeleted(body: unknown): number | null {
  const shape = body as { services?: { message?: { gc?: { messages_deleted?: number } } }[] } | null;
  return shape?.services?.[0]?.message?.gc?.messages_deleted ?? null;
}
