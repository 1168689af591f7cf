import { afterAll, describe, vi } from 'vitest';
import { postgresUrl } from '../engines.js';
import { dropEmbeddedTemplates, embeddedWorld } from '../harness/embedded-world.js';
import { frontDoorSuite, instanceSuite } from './instance-suite.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

afterAll(dropEmbeddedTemplates);

/** One size: filling a folder takes seconds, and five thousand messages keep this engine busy for one. */
const sizes = { small: 5_000, large: 5_000 } as const;

describe('an instance on the embedded database', () => {
  instanceSuite(embeddedWorld, sizes);
  // It takes a third of the time on a server.
  if (postgresUrl === undefined) frontDoorSuite(embeddedWorld, sizes);
});
