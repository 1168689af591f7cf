import { describe, expect, it } from 'vitest';
import type { Broken } from './broken.js';
import { explore, numbersOf, wordsOf } from './explore.js';
import { type Kind, movesOf } from './moves.js';
import { rulesFor } from './rules.js';
import { type ScenarioName, scenarios } from './scenarios.js';

const told = 'what was told is what is gone, once every run has ended';
const heard = 'every node that answered processing has its callback after the end';
const noWorkOpen = 'an ended run has no work open';
const holder = 'only the holder of a span writes it';

const takeOver = 'a batch against a take-over of the same span';
const cancel = 'a batch against a cancel';
const parking = 'parking a locked row against a cancel and a take-over';
const cutting = 'putting back and cutting against a cancel';
const twoStarts = 'two starts of one PUT against the end of their run';
const twoPuts = 'two PUTs against the end of the run that they would join';
const look = 'a look against its own zombie and a row that moves';
const crash = 'a crash of a worker before a cancel, with an answer to COMMIT lost';

/** What is broken, where it shows, and as which rule. One rule is asked, so that no lesser one hides it. */
const table: readonly (readonly [
  broken: Broken,
  scenario: ScenarioName,
  rule: string,
  shows: readonly Kind[],
])[] = [
  ['T6 without the fence', takeOver, holder, ['locks', 'certification']],
  ['T6 without any guard of the span', crash, told, ['locks']],
  ['T3 that only locks the run row', twoStarts, heard, ['certification']],
  ['T3 that only reads the run row', twoStarts, heard, ['locks', 'certification']],
  ['T7 without the run row', cutting, noWorkOpen, ['locks']],
  ['T6 that parks without the run row', parking, noWorkOpen, ['locks']],
  ['T10 that closes no spans', cancel, told, ['locks', 'certification']],
  ['T3 without the late path', twoStarts, heard, ['locks', 'certification']],
  ['T3 without the request row', twoPuts, 'all answers of one PUT name one run', ['locks', 'certification']],
  ['a look given out too early', look, 'a complete run leaves nothing', ['locks', 'certification']],
  ['a tally in its own transaction', cancel, told, ['locks', 'certification']],
  [
    'T5 that does not compare the end of the span',
    cutting,
    'round 0 walks nothing twice: no low is shared',
    ['locks', 'certification'],
  ],
];

describe('the model notices', () => {
  for (const [broken, scenario, rule, shows] of table) {
    for (const kind of ['locks', 'certification'] as const) {
      const isSeen = shows.includes(kind);
      it(`${isSeen ? '' : 'not '}${broken}, under ${kind}: "${rule}"`, async ({ annotate }) => {
        const { initial, walk, messages } = scenarios[scenario];
        const found = explore(initial, movesOf(kind, walk, broken), rulesFor(messages, rule));
        await annotate(numbersOf(found));
        expect(found.fault?.rule ?? wordsOf(found)).toBe(isSeen ? rule : 'exhausted');
      });
    }
  }

  it('not that the count depends on the fence: the cursor is read under the lock of the span, so two owners share the work', () => {
    const { initial, walk, messages } = scenarios[takeOver];
    const found = explore(initial, movesOf('locks', walk, 'T6 without the fence'), rulesFor(messages, told));
    expect(wordsOf(found)).toBe('exhausted');
  });
});
