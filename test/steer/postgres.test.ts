import { afterAll, vi } from 'vitest';
import { describePostgres } from '../engines.js';
import { dropTemplates, postgresWorld } from '../harness/world.js';
import { steerSuite } from './steer-suite.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 240_000 });

describePostgres('an operator on PostgreSQL', () => {
  afterAll(dropTemplates);
  steerSuite(postgresWorld);
});
