/** A world for tests of the embedded database: a temporary folder, and databases copied from one made before. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { silentLog } from '../../src/kit/log.js';
import { openEmbedded, type Embedded } from '../../src/storage/pglite/connect.js';

export class PgliteWorld {
  readonly root = mkdtempSync(join(tmpdir(), 'message-gc-test-'));
  readonly #open = new Set<Embedded>();
  readonly #children = new Set<ChildProcess>();
  #folders = 0;

  /** Makes the database that the others are copies of: 3 s once instead of for every test. */
  async prepare(): Promise<void> {
    const made = await openEmbedded(join(this.root, 'made'), silentLog);
    await made.close();
  }

  newFolder(): string {
    this.#folders += 1;
    const folder = join(this.root, `folder-${this.#folders}`);
    cpSync(join(this.root, 'made'), folder, { recursive: true });
    return folder;
  }

  async open(folder = this.newFolder()): Promise<Embedded> {
    const embedded = await openEmbedded(folder, silentLog);
    this.#open.add(embedded);
    return embedded;
  }

  /** A process that runs `script` (a module) with `folder` as its argument; `line` resolves to its next line. */
  child(script: string, folder: string): { process: ChildProcess; line: () => Promise<string> } {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: new URL('../..', import.meta.url),
    });
    this.#children.add(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      process: child,
      line: async () => {
        const next = await lines.next();
        return next.done === true ? '(ended)' : next.value;
      },
    };
  }

  async kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** After each test, so that only one engine is in memory at a time. */
  async clear(): Promise<void> {
    for (const child of this.#children) await this.kill(child);
    for (const embedded of this.#open) await embedded.close();
    this.#children.clear();
    this.#open.clear();
  }

  async end(): Promise<void> {
    await this.clear();
    rmSync(this.root, { recursive: true, force: true });
  }
}
