import { afterAll, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { nodesSuite } from './nodes-suite.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

describePostgres('several nodes on PostgreSQL', () => {
  afterAll(dropTemplates);
  nodesSuite(postgresWorld);
});
