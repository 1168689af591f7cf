import { vi } from 'vitest';
import { describeMariaDb } from '../engines.js';
import { mariadbWorld } from '../harness/mariadb-world.js';
import { steerSuite } from './steer-suite.js';

vi.setConfig({ testTimeout: 240_000 });

describeMariaDb('an operator on MariaDB', () => steerSuite(mariadbWorld));
