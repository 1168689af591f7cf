import { afterAll, expect, test, vi } from 'vitest';
import { dropEmbeddedTemplates, embeddedWorld } from '../harness/embedded-world.js';
import { runCommand } from '../harness/processes.js';

vi.setConfig({ testTimeout: 120_000 });

afterAll(dropEmbeddedTemplates);

test('beside an instance on the embedded database a command names the call that does the same', async () => {
  const world = await embeddedWorld(5_000);
  const instance = await world.start();
  const env = { DATABASE_URL: `pglite:${world.folder}`, MESSAGE_GC_CONFIG: '' };
  const call = (what: string): string => `Over HTTP: curl${what} ${instance.url}/v1/services/message/gc`;
  const token = ' -H "Authorization: Bearer $TOKEN"';
  const json = ` -H 'Content-Type: application/json'`;
  for (const [args, what] of [
    [['pause'], ` -X PATCH${token}${json} -d '{"paused":true}'`],
    [['rate', '20_000'], ` -X PATCH${token}${json} -d '{"max_rows_per_second":20000}'`],
    [['cancel'], ` -X DELETE${token}`],
    [['status'], token],
  ] as const) {
    const { code, stderr } = await runCommand(args, env);
    expect([code, stderr]).toEqual([3, expect.stringContaining(call(what))]);
  }
});
