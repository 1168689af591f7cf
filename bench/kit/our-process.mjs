// The product as a process of its own, known only by its command line, environment, output and exit code.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../../bin/message-gc.js', import.meta.url));
const peakMemoryHook = new URL('peak-memory.mjs', import.meta.url).href;

/** Fulfils the password rule of the API. */
const adminPassword = 'Bench-Passw0rd!';
const startMs = 30_000;

/** What a service manager would give, so that nothing of the caller's shell is collected by accident. */
function plainEnvironment() {
  return {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    MESSAGE_GC_CONFIG: '',
    LOG_LEVEL: 'warn',
  };
}

/**
 * Starts a command in the temporary folder.
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} environment
 */
export function startCommand(args, environment) {
  return spawn(process.execPath, [binary, ...args], {
    cwd: tmpdir(),
    env: { ...plainEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/**
 * Runs a command to its end.
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} environment
 * @returns {Promise<{ ms: number, json: any, peakMiB: number }>} `json`: its last line of output; `peakMiB`: the largest resident size that it had
 */
export async function runCommand(args, environment) {
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-bench-'));
  const peakFile = join(folder, 'peak');
  const startedAt = performance.now();
  try {
    const child = spawn(process.execPath, [`--import=${peakMemoryHook}`, binary, ...args], {
      cwd: folder,
      env: { ...plainEnvironment(), ...environment, BENCH_PEAK_MEMORY_FILE: peakFile },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, stdout, stderr } = await outputOf(child);
    const ms = performance.now() - startedAt;
    if (code !== 0)
      throw new Error(`message-gc ${args.join(' ')} ended with exit ${code}: ${stdout}${stderr}`);
    const json = JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null');
    return { ms, json, peakMiB: Number(readFileSync(peakFile, 'utf8')) / 1_024 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child with pipes
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string }>}
 */
export function outputOf(child) {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (part) => {
    stdout += part;
  });
  child.stderr?.setEncoding('utf8').on('data', (part) => {
    stderr += part;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/**
 * A single instance with an admin logged in.
 * @param {Readonly<Record<string, string>>} environment must name the database
 */
export async function startInstance(environment) {
  const child = spawn(process.execPath, [binary, 'serve'], {
    cwd: tmpdir(),
    env: {
      ...plainEnvironment(),
      MESSAGE_GC_LISTEN: '127.0.0.1:0',
      MESSAGE_GC_ADMIN_PASSWORD: adminPassword,
      LOG_LEVEL: 'info',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = outputOf(child);
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    await ended;
  };
  try {
    const url = await addressOf(child, ended);
    const login = await fetch(`${url}/v1/users/login`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}` },
    });
    /** @type {any} */
    const answer = await login.json();
    const token = answer.users?.[0]?.token;
    if (token === undefined)
      throw new Error(`The log-in was refused (${login.status}): ${JSON.stringify(answer)}`);
    return { url, token, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {Promise<{ stdout: string, stderr: string }>} ended
 * @returns {Promise<string>}
 */
function addressOf(child, ended) {
  return new Promise((resolve, reject) => {
    let rest = '';
    const timer = setTimeout(() => reject(new Error(`serve did not listen within ${startMs} ms`)), startMs);
    void ended.then(({ stdout, stderr }) => reject(new Error(`serve ended: ${stdout}${stderr}`)), reject);
    child.stdout?.on('data', (part) => {
      rest += part;
      for (const line of rest.split('\n').slice(0, -1)) {
        const facts = line.startsWith('{') ? JSON.parse(line) : {};
        if (facts.msg !== 'listening') continue;
        clearTimeout(timer);
        resolve(String(facts.http));
      }
      rest = rest.slice(rest.lastIndexOf('\n') + 1);
    });
  });
}
