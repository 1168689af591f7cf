/** A Webapp among tiny stand-ins for its neighbours, kept in memory; each test builds its own. */
import { StoreError } from '../../src/core/errors.js';
import type { ForetoldRun } from '../../src/core/dry-run.js';
import type { CallbackState, Home, StartAnswer, SteerChange, User } from '../../src/core/ports.js';
import type { LiveProgress, RunView } from '../../src/core/run-view.js';
import type { Outlook } from '../../src/core/outlook.js';
import { defaultSchedule } from '../../src/core/schedule.js';
import { type ApplicationSettings, defaultSettings } from '../../src/core/settings.js';
import { systemClock } from '../../src/kit/clock.js';
import type { Log } from '../../src/kit/log.js';
import type { NodeHealth } from '../../src/wire/health-reply.js';
import { createMeters } from '../../src/metrics/meters.js';
import type { DeskAnswer, DeskHealth, RunDesk, StartAsked, WebappSettings } from '../../src/webapp/deps.js';
import { ensureAdmin, hashPassword } from '../../src/webapp/passwords.js';
import { Tokens } from '../../src/webapp/tokens.js';
import { createWebapp, type Webapp } from '../../src/webapp/webapp.js';

export const unreachable = (): StoreError =>
  new StoreError(
    'unreachable',
    'ECONNREFUSED',
    'look up a user',
    'The database could not be reached.',
    new Error('connect ECONNREFUSED 127.0.0.1:5432'),
  );

export const runId = 'a'.repeat(32);

export const aRun: RunView = {
  id: runId,
  state: 'running',
  requestedBy: 'admin',
  joinedBy: [],
  horizon: '2026-11-22T10:00:00.000000Z',
  startedAt: '2026-11-22T10:00:00.000000Z',
  endedAt: null,
  messagesDeleted: 1234,
  dependentsDeleted: { message_receipts: 2345 },
  parked: 0,
  batches: 7,
  share: 0.41,
  plan: { walk: 'key', foreignKeys: 'messages_first', why: 'few keys are missing' },
  nodes: { 'wacore2:9dfe77618dba': { messagesDeleted: 700, state: 'working', live: null } },
  steering: { pausedBy: null, maxRate: null, profile: null },
  errors: [],
};

type Braked = Extract<DeskAnswer, { readonly kind: 'braked' | 'asked' }>;

export const aDryRun: ForetoldRun = {
  messages: 1_234,
  exact: true,
  dependents: { message_receipts: 2_345 },
  held: { legal: 7 },
  oldest: '2026-01-01T00:00:00.000000Z',
  newest: '2026-10-01T00:00:00.000000Z',
  bytes: 400_000,
  logBytes: 900_000,
  seconds: 1,
  walk: 'key',
  foreignKeys: 'messages_first',
  why: 'few keys are missing',
  missingIndex: null,
  sample: [['17'], ['18']],
  horizon: '2026-11-22T10:00:00.000000Z',
  forecast: { fits: true, endsAt: new Date('2026-11-22T11:00Z'), windows: 1 },
};

export type Line = { readonly level: string; readonly facts: object; readonly words: string };

export class World {
  readonly users = new Map<string, User>();
  readonly revoked = new Set<string>();
  readonly lines: Line[] = [];
  readonly asked: StartAsked[] = [];
  dryRuns = 0;
  readonly saved: ApplicationSettings[] = [];
  settings: ApplicationSettings = defaultSettings;
  key: string | null = null;
  /** What the home database throws at every question; null: it works. */
  homeDown: StoreError | null = null;
  homeQuestions = 0;
  health: DeskHealth = { gateway: 'connected', warnings: [], ready: true };
  nodes: Promise<readonly NodeHealth[]> | null = null;
  nodesLastSeen: readonly NodeHealth[] | null = null;
  waiting = 0;
  outlook: Outlook = {
    schedule: defaultSchedule,
    record: { storeId: 'b'.repeat(32), now: new Date(), since: null, last: null, warning: null },
    runs: [],
  };
  runs: readonly RunView[] = [aRun];
  callbacks: readonly CallbackState[] = [];
  live: LiveProgress | null = null;
  start: () => Promise<StartAnswer | Braked> = () => Promise.resolve({ runId, joined: false });
  dryRun: () => Promise<ForetoldRun> = () => Promise.resolve(aDryRun);
  cancel: (by: string) => Promise<RunView | null> = () => Promise.resolve(null);
  steer: (change: SteerChange, by: string) => Promise<RunView | null> = () => Promise.resolve(null);
  readonly meters = createMeters('9dfe77618dba');

  readonly home: Home = {
    settings: () => this.#ask(() => this.settings),
    changeSettings: (change) =>
      this.#ask(() => {
        this.settings = change(this.settings) ?? this.settings;
      }),
    secret: (_name, make) => this.#ask(() => (this.key ??= make())),
    user: (name) => this.#ask(() => this.users.get(name.toLowerCase()) ?? null),
    saveUser: (user) =>
      this.#ask(() => {
        this.users.set(user.name.toLowerCase(), user);
      }),
    isRevoked: (id) => this.#ask(() => this.revoked.has(id)),
    revoke: (id) =>
      this.#ask(() => {
        this.revoked.add(id);
      }),
  };

  readonly desk: RunDesk = {
    startWithinMs: 5_000,
    start: async (request) => {
      this.asked.push(request);
      const answer = await this.start();
      return 'kind' in answer ? answer : { kind: 'started', ...answer };
    },
    dryRun: () => {
      this.dryRuns += 1;
      return this.dryRun();
    },
    progress: () => this.live,
    cancel: (by) => this.cancel(by),
    steer: (change, by) => this.steer(change, by),
    nodes: () => this.nodes,
    nodesLastSeen: () => this.nodesLastSeen,
    health: () => this.health,
  };

  async #ask<T>(answer: () => T): Promise<T> {
    this.homeQuestions += 1;
    if (this.homeDown !== null) throw this.homeDown;
    return answer();
  }

  get log(): Log {
    const at = (level: string) => (facts: object, words: string) => {
      this.lines.push({ level, facts, words });
    };
    return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug'), trace: at('trace') };
  }

  webapp(settings: Partial<WebappSettings> = {}): Promise<Webapp> {
    return createWebapp({
      settings: {
        allowUsers: false,
        builtInMayLogIn: true,
        requireHttps: false,
        coreHost: 'wacore',
        jwtKey: 'a key of sixteen or more',
        ...settings,
      },
      clock: systemClock,
      log: this.log,
      home: this.home,
      ledger: {
        runs: () => Promise.resolve(this.runs),
        run: (id) => Promise.resolve(this.runs.find((run) => run.id === id) ?? null),
      },
      outbox: {
        waiting: () => this.#ask(() => this.waiting),
        forRun: () => Promise.resolve(this.callbacks),
      },
      desk: this.desk,
      outlook: () => this.#ask(() => this.outlook),
      metrics: this.meters,
      settingsChanged: (changed) => this.saved.push(changed),
    });
  }

  /** The header of somebody who has logged in, without the cost of a real log-in. */
  async bearer(user: 'admin' | 'clerk' = 'admin', key = 'a key of sixteen or more'): Promise<string> {
    this.users.set(user, {
      name: user,
      role: user === 'admin' ? 'ROLE_ADMIN' : 'ROLE_USER',
      passwordHash: 'initial',
    });
    const { token } = await new Tokens(this.home, systemClock, key).issue(user);
    return `Bearer ${token}`;
  }

  async withAdmin(password: string | null): Promise<void> {
    await ensureAdmin(this.home, password);
  }

  async withUser(name: string, password: string): Promise<void> {
    this.users.set(name, { name, role: 'ROLE_USER', passwordHash: await hashPassword(password) });
  }
}

export const gc = '/v1/services/message/gc';
export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
