import type { DryRun } from '../../src/core/dry-run.js';
import { defaultSettings } from '../../src/core/settings.js';
import type { SignalView } from '../../src/core/pressure.js';
import type { LiveProgress, RunView } from '../../src/core/run-view.js';
import { renderCallback } from '../../src/wire/callback-body.js';
import { dryRunReply } from '../../src/wire/dry-run-reply.js';
import { errorEnvelope } from '../../src/wire/error-envelope.js';
import { healthReply, nodesHealthReply } from '../../src/wire/health-reply.js';
import { loginReply } from '../../src/wire/login-reply.js';
import { meta } from '../../src/wire/meta.js';
import { metricsReply } from '../../src/wire/metrics-reply.js';
import { runShape, runsReply } from '../../src/wire/run-reply.js';
import { settingsReply } from '../../src/wire/settings-reply.js';
import { acceptedByNodes, acceptedBySingle } from '../../src/wire/start-reply.js';

const liveOf: LiveProgress = {
  rowsPerSecond: 1,
  etaSeconds: 1,
  reason: { code: 'resting', signal: 'duty', value: 0.5, limit: null, since: '2026-11-22T10:00:02.000Z' },
};
const signal: SignalView = {
  signal: 'canary',
  state: 'ok',
  value: 1,
  limit: 10,
  unit: 'ms',
  detail: 'words',
};
const view: RunView = {
  id: 'b'.repeat(32),
  state: 'running',
  requestedBy: 'admin',
  joinedBy: ['admin'],
  horizon: '2026-11-22T10:00:00.000000Z',
  startedAt: '2026-11-22T10:00:01.000Z',
  endedAt: null,
  messagesDeleted: 1,
  dependentsDeleted: { message_receipts: 1 },
  parked: 0,
  batches: 1,
  share: 0.5,
  plan: { walk: 'key', foreignKeys: 'checked', why: 'words' },
  nodes: {
    'wacore1:9dfe77618dba': { messagesDeleted: 1, state: 'working', live: { ...liveOf, signals: [signal] } },
  },
  steering: { pausedBy: 'admin', maxRate: 1, profile: 'balanced' },
  errors: [{ code: 1014, details: 'words' }],
};
const callback = {
  id: 'c'.repeat(32),
  state: 'delivered',
  attempts: 1,
  lastStatus: 200,
  lastError: null,
} as const;
const told = { node: null, messagesDeleted: 1, error: null } as const;

const foretold: DryRun = {
  messages: 1,
  exact: true,
  dependents: { message_receipts: 1 },
  held: {},
  oldest: '2026-11-22T10:00:00.000000Z',
  newest: '2026-11-22T10:00:00.000000Z',
  bytes: 1,
  logBytes: 1,
  seconds: 1,
  walk: 'key',
  foreignKeys: 'checked',
  why: 'words',
  missingIndex: null,
  sample: [['1']],
  horizon: '2026-11-22T10:00:00.000000Z',
};

/** What the code makes for each kind of example; its keys are those that a page must show. */
export const madeByCode: Readonly<Record<string, unknown>> = {
  login: loginReply('token', new Date(0)),
  error: errorEnvelope(1006, 'words'),
  'start failure': errorEnvelope(1014, 'words'),
  meta: { meta },
  settings: settingsReply(defaultSettings),
  accepted: acceptedBySingle(),
  nodes: acceptedByNodes([
    { name: 'wacore2:f279e4901e70', details: null },
    { name: 'wacore3:9326cce27726', details: null },
    { name: 'wacore4:6671f0ec8b52', details: 'words' },
  ]),
  'health of nodes': nodesHealthReply(
    ['wacore2:f279e4901e70', 'wacore3:9326cce27726'].map((name) => ({
      name,
      gateway_status: 'connected',
      role: 'coreapp',
    })),
    [],
  ),
  'health of nodes without the database': nodesHealthReply(
    ['wacore2:f279e4901e70', 'wacore3:9326cce27726'].map((name) => ({
      name,
      gateway_status: 'disconnected',
      role: 'coreapp',
    })),
    ['words'],
  ),
  'dry run': dryRunReply(foretold),
  runs: runsReply([runShape(view, liveOf)]),
  run: runsReply([runShape(view, liveOf, [callback])]),
  complete: JSON.parse(renderCallback({ ...told, outcome: 'complete' })),
  failed: JSON.parse(renderCallback({ ...told, outcome: 'failed' })),
  health: healthReply('connected', ['words']),
  healthz: { status: 'alive' },
  readyz: { status: 'ready' },
  metrics: metricsReply([
    {
      name: 'web_uptime',
      help: 'words',
      type: 'gauge',
      values: [{ labels: { node: 'a' }, value: 1, line: null }],
    },
  ]),
};

/** Objects whose keys are data: names of tables, nodes, labels, meters. Their values are compared, not their keys. */
const keyedByData = new Set(['nodes', 'dependents_deleted', 'dependents', 'held', 'labels', 'metrics']);

/** Where the keys of an example differ from those that the code makes. Null and empty lists fit anything. */
export function keyFaults(shown: unknown, made: unknown, at = ''): readonly string[] {
  if (Array.isArray(shown) && Array.isArray(made)) {
    return made.length === 0 ? [] : shown.flatMap((item) => keyFaults(item, made[0], `${at}[]`));
  }
  if (shown === null || made === null) return [];
  if (!isObject(shown) || !isObject(made)) {
    // Values are those of the day, and may be a text here and a number there; only objects have keys.
    return typeof shown === 'object' || typeof made === 'object' ? [`${at} is another kind of value`] : [];
  }
  if (keyedByData.has(at.slice(at.lastIndexOf('.') + 1))) {
    const [one] = Object.values(made);
    return Object.entries(shown).flatMap(([key, value]) => keyFaults(value, one ?? null, `${at}.${key}`));
  }
  const missing = Object.keys(made).filter((key) => !(key in shown));
  const surplus = Object.keys(shown).filter((key) => !(key in made));
  return [
    ...missing.map((key) => `${at}.${key} is missing`),
    ...surplus.map((key) => `${at}.${key} does not exist`),
    ...Object.keys(shown)
      .filter((key) => key in made)
      .flatMap((key) => keyFaults(shown[key], made[key], `${at}.${key}`)),
  ];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
