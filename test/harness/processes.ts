/**
 * Starts the product's commands as processes of their own, and lets none of them outlive the tests: also when the
 * test runner itself is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { within } from './wait.js';

const binary = fileURLToPath(new URL('../../bin/message-gc.js', import.meta.url));

export type Environment = Readonly<Record<string, string>>;

export type CommandResult = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunningCommand = {
  readonly ended: Promise<CommandResult>;
  /** To the started process alone, as a service manager does it. */
  terminate(signal?: NodeJS.Signals): void;
  /** All that it wrote so far, for the words of a failing test. */
  describe(): string;
  /** SIGKILL if it still lives. */
  close(): Promise<void>;
};

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) signalGroup(child, 'SIGKILL');
  lifeline?.kill('SIGKILL');
});

/**
 * Reads the groups that live from its standard input, each as "+ 123" and "- 123", and kills what is left of them
 * when that input ends although nobody killed it first: then this process is gone without its 'exit'.
 */
const reap = `
living=""
while read -r what group; do
  rest=""
  for one in $living; do [ "$one" = "$group" ] || rest="$rest $one"; done
  living="$rest"
  [ "$what" = "-" ] || living="$living $group"
done
for one in $living; do kill -s KILL -- "-$one" 2>/dev/null; done`;
let lifeline: ChildProcess | null = null;

function tellLifeline(what: '+' | '-', child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (lifeline === null) {
    // Detached: a signal to the group of the test runner must not reach it.
    lifeline = spawn('/bin/sh', ['-c', reap], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    lifeline.on('error', () => undefined);
    lifeline.stdin?.on('error', () => undefined);
    lifeline.unref();
    (lifeline.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }
  lifeline.stdin?.write(`${what} ${child.pid}\n`);
}

/**
 * What other tests, or their servers, do to the machine must not slow a run down here. The tests of the signals
 * (test/signals) switch on what they are about.
 */
const calm = [
  'canary',
  'active_sessions',
  'replica_lag',
  'replication_slots',
  'wal_archive',
  'vacuum',
  'dead_rows',
  'oldest_transaction',
  'history_list',
  'redo_log',
  'disk_used',
];

/** All of these signals switched off, but for those that are named. */
export function signalsBut(...names: readonly string[]): string {
  return calm
    .filter((name) => !names.includes(name))
    .map((name) => `${name}=off`)
    .join(',');
}

/** Starts `message-gc` with these arguments. */
export function launch(args: readonly string[], env: Environment): ChildProcess {
  // Only what a service manager would give, so that a DATABASE_URL of the developer's shell is never collected.
  const inherited = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' };
  const child = spawn(process.execPath, [binary, ...args], {
    cwd: tmpdir(),
    env: { ...inherited, MESSAGE_GC_SIGNALS: signalsBut(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: kill -9 and SIGSTOP must reach a process that the command may have started.
    detached: true,
  });
  alive.add(child);
  tellLifeline('+', child);
  child.on('exit', () => {
    alive.delete(child);
    tellLifeline('-', child);
  });
  return child;
}

export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch (cause) {
    // Gone between the look and the signal: that is what was wanted.
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
  }
}

/** Starts a command that ends by itself (`gc`, `seed`). */
export function startCommand(args: readonly string[], env: Environment): RunningCommand {
  const child = launch(args, env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (part: Buffer) => {
    stdout += part.toString('utf8');
  });
  child.stderr?.on('data', (part: Buffer) => {
    stderr += part.toString('utf8');
  });
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    ended,
    terminate: (signal = 'SIGTERM') => void child.kill(signal),
    describe: () => `stdout: ${stdout.slice(-2_000)}\nstderr: ${stderr.slice(-2_000)}`,
    async close() {
      signalGroup(child, 'SIGKILL');
      await ended;
    },
  };
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  env: Environment,
  deadlineMs = 60_000,
): Promise<CommandResult> {
  const command = startCommand(args, env);
  try {
    return await within(`the command "${args.join(' ')}" to end`, deadlineMs, command.ended);
  } catch (cause) {
    await command.close();
    throw new Error(`${(cause as Error).message}\n${command.describe()}`, { cause });
  }
}

/** Runs `seed --rows N` and throws with its words when it fails. */
export async function seed(env: Environment, rows: number): Promise<void> {
  const done = await runCommand(['seed', '--rows', String(rows)], env);
  if (done.code !== 0) {
    throw new Error(`seed --rows ${rows} ended with exit ${done.code}.\n${done.stdout}\n${done.stderr}`);
  }
}
