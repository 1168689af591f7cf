import { once } from 'node:events';
import { expect, test } from 'vitest';
import { launch } from '../harness/processes.js';

test('a reader that has read enough ends a command without a word of a defect', async () => {
  const child = launch(['config'], { MESSAGE_GC_CONFIG: '' });
  let words = '';
  child.stderr?.on('data', (part: Buffer) => {
    words += part.toString('utf8');
  });
  // Closed before the command has anything to say.
  child.stdout?.destroy();
  await once(child, 'close');
  expect(words).toBe('');
});
