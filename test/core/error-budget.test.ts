import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createErrorBudget } from '../../src/core/error-budget.js';

describe('error budget', () => {
  it('is spent by fifty failures in a row', () => {
    const budget = createErrorBudget();
    for (let i = 0; i < 49; i += 1) budget.failed('conflict');
    expect(budget).toMatchObject({ spent: false, words: null });
    budget.failed('slow');
    expect(budget).toMatchObject({ spent: true, words: '50 batches failed in a row' });
  });

  it('begins anew with each success', () => {
    const budget = createErrorBudget();
    for (let i = 0; i < 39; i += 1) budget.failed('conflict');
    budget.succeeded();
    for (let i = 0; i < 49; i += 1) budget.failed('conflict');
    expect(budget.spent).toBe(false);
  });

  it('is spent when two fifths of at least a hundred attempts failed', () => {
    const budget = createErrorBudget();
    const attempt = (i: number): void => (i % 5 < 2 ? budget.failed('conflict') : budget.succeeded());
    for (let i = 0; i < 99; i += 1) attempt(i);
    expect(budget.spent).toBe(false);
    attempt(99);
    expect(budget).toMatchObject({ spent: true, words: '40 of 100 batches failed' });
  });

  it('lasts when fewer than two fifths fail, however long', () => {
    const budget = createErrorBudget();
    for (let i = 0; i < 10_000; i += 1) {
      if (i % 3 === 2) budget.failed('conflict');
      else budget.succeeded();
    }
    expect(budget.spent).toBe(false);
  });

  it('counts nothing while the database is away', () => {
    const budget = createErrorBudget();
    for (let i = 0; i < 1_000; i += 1) budget.failed('unreachable');
    expect(budget.spent).toBe(false);
    for (let i = 0; i < 49; i += 1) budget.failed('other');
    expect(budget.spent).toBe(false);
    budget.failed('other');
    expect(budget.spent).toBe(true);
  });

  it('once spent stays spent, and always says why', () => {
    const kinds = fc.constantFrom('ok', 'conflict', 'conflict', 'slow', 'unreachable', 'other');
    fc.assert(
      fc.property(fc.array(kinds, { maxLength: 300, size: 'max' }), (events) => {
        const budget = createErrorBudget();
        let wasSpent = false;
        for (const event of events) {
          if (event === 'ok') budget.succeeded();
          else budget.failed(event as 'conflict');
          if (wasSpent) expect(budget.spent).toBe(true);
          wasSpent = budget.spent;
          expect(budget.words === null).toBe(!budget.spent);
        }
      }),
    );
  });
});
