import { afterAll, describe } from 'vitest';
import { dropEmbeddedTemplates, embeddedWorld } from '../harness/embedded-world.js';
import { instanceSuite } from './instance-suite.js';

afterAll(dropEmbeddedTemplates);

describe('an instance on the embedded database', () => {
  // One size: filling a folder takes seconds, and eight thousand messages keep this engine busy for some.
  instanceSuite(embeddedWorld, { small: 8_000, large: 8_000 });
});
