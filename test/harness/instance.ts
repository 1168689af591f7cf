/**
 * The product as a process of its own, known only by its fixed surface: the command line, its environment, its JSON
 * log lines, its HTTP API and its exit code. Nothing of src/ is imported here.
 */
import type { ChildProcess } from 'node:child_process';
import { type IncomingMessage, request } from 'node:http';
import { faultsOfAnswer } from './api-document.js';
import { type Environment, launch, signalGroup } from './processes.js';
import { until, within } from './wait.js';

/** Fulfils the password rule of the API (digit, upper, lower, special). */
export const adminPassword = 'Kehricht-42!';

export type LogLine = Readonly<Record<string, unknown>>;
export type Role = 'single' | 'webapp' | 'coreapp';
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed body; undefined when it is no JSON. */
  readonly body: unknown;
};

export class Instance {
  readonly lines: LogLine[] = [];
  readonly ended: Promise<Exit>;
  stderr = '';
  /** Standard output that was no JSON line; an instance must not write such. */
  readonly strayOutput: string[] = [];
  readonly #child: ChildProcess;
  readonly #env: Environment;
  #token: string | null = null;
  #url = '';
  #node = '';
  #exit: Exit | null = null;
  readonly #watchers = new Set<(line: LogLine) => void>();

  readonly #role: Role;

  private constructor(env: Environment, role: Role) {
    this.#env = env;
    this.#role = role;
    this.#child = launch(['serve', '--role', role], env);
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    let rest = '';
    this.#child.stdout?.on('data', (part: Buffer) => {
      const pieces = (rest + part.toString('utf8')).split('\n');
      rest = pieces.pop() ?? '';
      for (const piece of pieces) this.#take(piece);
    });
    this.#child.stderr?.on('data', (part: Buffer) => {
      this.stderr += part.toString('utf8');
    });
  }

  /** Starts `serve` and waits until it listens. `env` must name the database. */
  static async start(env: Environment, deadlineMs = 20_000, role: Role = 'single'): Promise<Instance> {
    const instance = new Instance(
      {
        MESSAGE_GC_LISTEN: '127.0.0.1:0',
        MESSAGE_GC_ADMIN_PASSWORD: adminPassword,
        MESSAGE_GC_PROFILE: 'gentle',
        // What other tests do on the machine and its servers must not hold a run back, unless a test asks for it.
        MESSAGE_GC_SIGNALS: 'canary=off,active_sessions=off',
        // No folder of the embedded database may appear in the working directory by accident.
        MESSAGE_GC_CONFIG: '',
        LOG_LEVEL: 'debug',
        ...env,
      },
      role,
    );
    try {
      const line = await instance.waitForLine(
        'listening',
        (found) => found['msg'] === 'listening',
        deadlineMs,
      );
      instance.#url = String(line['http'] ?? line['control']);
      const { node } = line;
      instance.#node = typeof node === 'string' ? node : '';
    } catch (cause) {
      await instance.kill('SIGKILL');
      throw cause;
    }
    return instance;
  }

  get url(): string {
    return this.#url;
  }

  /** The name of its node; '' for a Webapp. */
  get node(): string {
    return this.#node;
  }

  get isAlive(): boolean {
    return this.#exit === null;
  }

  /** Calls `see` with every line from now on, as soon as it is read; returns how to stop. */
  watch(see: (line: LogLine) => void): () => void {
    this.#watchers.add(see);
    return () => this.#watchers.delete(see);
  }

  async waitForLine(
    what: string,
    predicate: (line: LogLine) => boolean,
    deadlineMs: number,
    from = 0,
  ): Promise<LogLine> {
    try {
      return await until(`a log line: ${what}`, deadlineMs, () => {
        const found = this.lines.slice(from).find(predicate);
        if (found !== undefined) return found;
        if (this.#exit !== null)
          throw new Error(`The process ended (${JSON.stringify(this.#exit)}) before its log line: ${what}.`);
        return null;
      });
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\n${this.describe()}`, { cause });
    }
  }

  /** The end of what the process said, for the words of a failing test. */
  describe(): string {
    const last = this.lines.slice(-25).map((line) => JSON.stringify(line));
    return [...last, ...this.strayOutput.slice(-10), this.stderr.slice(-3_000)].join('\n');
  }

  /** Logs in as admin and keeps the token for `api`. */
  async login(): Promise<string> {
    const basic = Buffer.from(`admin:${adminPassword}`).toString('base64');
    const answer = await this.send('POST', '/v1/users/login', undefined, { authorization: `Basic ${basic}` });
    const users = (answer.body as { users?: { token?: string }[] } | undefined)?.users;
    const token = users?.[0]?.token;
    if (answer.status !== 200 || token === undefined) {
      throw new Error(
        `The log-in as admin was answered ${answer.status}: ${answer.text}\n${this.describe()}`,
      );
    }
    this.#token = token;
    return token;
  }

  useToken(token: string): void {
    this.#token = token;
  }

  /** A call with the admin's token, which is fetched first if there is none. */
  async api(method: string, path: string, body?: unknown): Promise<Answer> {
    const token = this.#token ?? (await this.login());
    return this.send(method, path, body, { authorization: `Bearer ${token}` });
  }

  /** A call as it stands; each on its own connection, so that no idle one of a killed process is met. */
  send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const call = new Promise<Answer>((resolve, reject) => {
      const outgoing = request(
        `${this.#url}${path}`,
        {
          method,
          agent: false,
          headers: {
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
            ...headers,
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8');
            const faults = this.#faultsOf(method, path, response, text);
            if (faults.length > 0) reject(new Error(faults.join('\n')));
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              body: parsed(text),
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
    return within(`an answer to ${method} ${path}`, 20_000, call);
  }

  /** The control port of a Coreapp is no API of clients, and has no document. */
  #faultsOf(method: string, path: string, response: IncomingMessage, text: string): readonly string[] {
    if (this.#role === 'coreapp') return [];
    const { statusCode: status = 0, headers } = response;
    return faultsOfAnswer(method, path, { status, contentType: headers['content-type'] ?? '', text });
  }

  /** Sets the webhook URL, with a back-off short enough for a test. */
  async setWebhook(url: string, backoffMs = 100): Promise<void> {
    const answer = await this.api('PATCH', '/v1/settings/application', {
      webhooks: { url },
      callback_backoff_delay_ms: backoffMs,
      max_callback_backoff_delay_ms: 1_000,
    });
    if (answer.status !== 200)
      throw new Error(`PATCH settings was answered ${answer.status}: ${answer.text}`);
  }

  /** PUT /v1/services/message/gc, which must be accepted; returns the run's id. */
  async collect(): Promise<string> {
    const answer = await this.api('PUT', '/v1/services/message/gc');
    if (answer.status !== 200) {
      throw new Error(`PUT gc was answered ${answer.status}: ${answer.text}\n${this.describe()}`);
    }
    return String(answer.headers['x-request-id'] ?? '');
  }

  signal(signal: NodeJS.Signals): void {
    signalGroup(this.#child, signal);
  }

  /** To the started process alone, as a service manager does it. */
  terminate(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    this.signal(signal);
    return within(`the process to end after ${signal}`, 20_000, this.ended);
  }

  /** The same command again with the same environment and token, on the port where it was. */
  async restart(deadlineMs = 20_000): Promise<Instance> {
    const { host } = new URL(this.#url);
    const address = this.#role === 'coreapp' ? 'MESSAGE_GC_CONTROL_LISTEN' : 'MESSAGE_GC_LISTEN';
    const next = await Instance.start({ ...this.#env, [address]: host }, deadlineMs, this.#role);
    if (this.#token !== null) next.useToken(this.#token);
    return next;
  }

  async close(): Promise<void> {
    if (this.#exit !== null) return;
    // A stopped process cannot be waited for unless it is killed: SIGKILL reaches it also when frozen.
    await this.kill('SIGKILL');
  }

  #take(piece: string): void {
    if (piece.trim() === '') return;
    const line = parsed(piece);
    if (line === null || typeof line !== 'object') {
      this.strayOutput.push(piece);
      return;
    }
    this.lines.push(line as LogLine);
    for (const see of this.#watchers) see(line as LogLine);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
