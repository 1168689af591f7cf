import { vi } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { mariadbWorld } from '../harness/mariadb-world.js';
import { nodesSuite } from './nodes-suite.js';

vi.setConfig({ testTimeout: 120_000 });

describeMariaDb('several nodes on MariaDB', () => nodesSuite(mariadbWorld));
