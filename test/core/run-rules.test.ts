import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deliveryDelayMs } from '../../src/core/delivery-schedule.js';
import { callbackId, newId, nodeName, passingNodeName } from '../../src/core/node-name.js';
import { ownMapping } from '../../src/core/mapping.js';
import { canonicalJson, policyHash } from '../../src/core/policy.js';
import { canBecome, runStates } from '../../src/core/run.js';

describe('run states', () => {
  it('lead forward only, and nothing leads out of the end', () => {
    const allowed = runStates.flatMap((from) =>
      runStates.filter((to) => canBecome(from, to)).map((to) => `${from} to ${to}`),
    );
    expect(allowed).toEqual(['requested to running', 'requested to ended', 'running to ended']);
  });
});

describe('delivery schedule', () => {
  it('waits one step more after each failure, up to the cap', () => {
    expect([1, 2, 3, 299, 300, 301].map((n) => deliveryDelayMs(n, 3_000, 900_000))).toEqual([
      3_000, 6_000, 9_000, 897_000, 900_000, 900_000,
    ]);
  });

  it('never falls and never passes the cap', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 10_000 }), fc.nat({ max: 1_000_000 }), (n, step, cap) => {
        const delay = deliveryDelayMs(n, step, cap);
        expect(delay).toBeLessThanOrEqual(cap);
        expect(deliveryDelayMs(n + 1, step, cap)).toBeGreaterThanOrEqual(delay);
      }),
    );
  });
});

describe('policy', () => {
  it('has the same hash in whatever order it was written', () => {
    const policy = { mapping: ownMapping, retentionSeconds: 60 };
    const turned = {
      retentionSeconds: 60,
      mapping: Object.fromEntries(Object.entries(ownMapping).reverse()) as typeof ownMapping,
    };
    expect(policyHash(turned)).toBe(policyHash(policy));
    expect(policyHash(policy)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('has another hash when anything in it differs', () => {
    const policy = { mapping: ownMapping, retentionSeconds: 60 };
    const others = [
      { ...policy, retentionSeconds: 61 },
      { ...policy, mapping: { ...ownMapping, processed: 'false' } },
      { ...policy, mapping: { ...ownMapping, key: ['id', 'shard'] } },
    ];
    for (const other of others) expect(policyHash(other)).not.toBe(policyHash(policy));
  });

  it('writes JSON that says the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('names', () => {
  it('of a node come from its host and port alone', () => {
    expect(nodeName('WaCore2', 6_252, undefined)).toBe(nodeName('wacore2', 6_252, undefined));
    expect(nodeName('wacore2', 6_252, undefined)).toMatch(/^wacore2:[0-9a-f]{12}$/);
    expect(nodeName('wacore2', 6_253, undefined)).not.toBe(nodeName('wacore2', 6_252, undefined));
    expect(nodeName('wacore2', 6_252, '9dfe77618dba')).toBe('wacore2:9dfe77618dba');
  });

  it('of a passing node and of a request are new each time', () => {
    expect(passingNodeName('Host')).toMatch(/^host:[0-9a-f]{12}$/);
    expect(passingNodeName('host')).not.toBe(passingNodeName('host'));
    expect(newId()).toMatch(/^[0-9a-f]{32}$/);
  });

  it('of a callback are the same for the same run and node, and no other', () => {
    expect(callbackId('run', 'node')).toBe(callbackId('run', 'node'));
    expect(callbackId('run', '')).not.toBe(callbackId('run', 'node'));
    expect(callbackId('ab', 'c')).not.toBe(callbackId('a', 'bc'));
  });
});
