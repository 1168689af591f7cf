import { expect, test } from 'vitest';
import { readSignalChoices } from '../../src/config/signal-choices.js';

function read(text: string) {
  const problems: string[] = [];
  return { choices: readSignalChoices(text, problems), problems };
}

test('what an operator says of single signals is read, a signal named twice too', () => {
  expect(read('canary=off, replica_lag=30,replica_lag=optional,disk_used=0.95')).toEqual({
    choices: {
      canary: { off: true },
      replica_lag: { limit: 30, optional: true },
      disk_used: { limit: 0.95 },
    },
    problems: [],
  });
  expect(read('')).toEqual({ choices: {}, problems: [] });
});

test.each([
  ['canry=off', 'did you mean canary?'],
  ['canary', 'says "canary", expected canary=off'],
  ['canary=0', 'a number above 0'],
  ['canary=1e3', 'a number above 0'],
  ['canary=1=2', 'a number above 0'],
  ['canary=off,canary=20', 'says canary=off and more of it'],
  ['canary=optional,canary=off', 'says canary=off and more of it'],
])('%s is refused with words', (text, words) => {
  const { problems } = read(text);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(words);
});
