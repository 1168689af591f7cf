import { describe, expect, it } from 'vitest';
import { reasonCodes } from '../../src/core/reason.js';
import { renderCallback } from '../../src/wire/callback-body.js';
import { runEventNames } from '../../src/wire/run-events.js';
import { errorCodes } from '../../src/wire/error-envelope.js';
import { keyFaults, madeByCode } from './docs-examples.js';
import { factsOfSources, found, sorted, textOfSources } from './docs-facts.js';
import { firstCells, jsonBlocks, pageText, section } from './docs-pages.js';

const known = await factsOfSources();

describe('the page of the API', () => {
  const api = pageText('docs/api.md');

  it('has a heading for every route, and none for another', () => {
    const headings = found(api, /^### `([A-Z]+ \/\S+)`$/gm);
    expect([...headings].sort()).toEqual(known.routes.map(({ method, path }) => `${method} ${path}`).sort());
  });

  it('says when each code is sent, for exactly those that are', () => {
    const sent = found(
      `${textOfSources('src/webapp/')}${textOfSources('src/wire/')}`,
      /\b(?:ApiError|refuse|errorEnvelope)\(\s*(1\d{3})\b/g,
    );
    const told = firstCells(section(api, '## Errors').split('Sent by this version:')[1] ?? '');
    expect(sorted(told)).toEqual(sorted(sent));
  });

  it('explains every reason', () => {
    const table = api.split('| reason | meaning |')[1]?.split('\n\n')[0] ?? '';
    expect(sorted(firstCells(table))).toEqual(sorted(reasonCodes));
  });

  it('names every event', () => {
    const table = api.split('| event | when |')[1]?.split('\n\n')[0] ?? '';
    expect(sorted(firstCells(table))).toEqual(sorted(runEventNames));
  });

  it('shows bodies with the keys of those that the code makes, and one of each kind', () => {
    const blocks = jsonBlocks(api);
    expect(sorted(blocks.map(({ name }) => name ?? 'a block without a name'))).toEqual(
      sorted(Object.keys(madeByCode)),
    );
    for (const { name, json } of blocks) {
      expect(keyFaults(JSON.parse(json), madeByCode[name ?? '']), `${name}: ${json}`).toEqual([]);
    }
  });

  it('shows errors under their own titles', () => {
    const titles: Readonly<Record<number, { readonly title: string }>> = errorCodes;
    for (const { json } of jsonBlocks(api)) {
      const { errors = [] } = JSON.parse(json) as { errors?: readonly { code: number; title: string }[] };
      for (const { code, title } of errors) expect(title).toBe(titles[code]?.title);
    }
  });

  it.each(['complete', 'failed'] as const)('shows the %s callback letter for letter', (outcome) => {
    const json = jsonBlocks(api).find(({ name }) => name === outcome)?.json ?? '';
    const { services } = JSON.parse(json) as {
      services: [{ message: { gc: { messages_deleted: number; errors?: [{ details: string }] } } }];
    };
    const { messages_deleted: messagesDeleted, errors } = services[0].message.gc;
    const error = errors?.[0].details ?? null;
    expect(json).toBe(renderCallback({ node: null, messagesDeleted, outcome, error }));
  });
});
