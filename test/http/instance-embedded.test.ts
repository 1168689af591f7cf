import { afterAll, describe } from 'vitest';
import { dropEmbeddedTemplates, embeddedWorld } from '../harness/embedded-world.js';
import { instanceSuite } from './instance-suite.js';

afterAll(dropEmbeddedTemplates);

describe('an instance on the embedded database', () => {
  instanceSuite(embeddedWorld);
});
