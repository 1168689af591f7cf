import { Command, CommanderError } from 'commander';
import { type ExitReason, exitCodes, Refusal, StoreError, wordsOf } from '../core/errors.js';
import { packageVersion } from '../wire/package-version.js';

/** What a command needs is loaded when it is called: the web server alone takes a third of a second of a processor. */
const commands = [
  'serve',
  'gc',
  'plan',
  'status',
  'pause',
  'resume',
  'cancel',
  'rate',
  'hold',
  'doctor',
  'migrate',
  'seed',
  'listen',
  'demo',
  'init',
  'config',
] as const;

/** Words in, exit code out (docs/commands.md lists the codes). */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('message-gc')
    .description(
      'Deletes the messages that are done with, while the application runs, and reports the exact number.',
    )
    .version(packageVersion)
    .addHelpText(
      'after',
      `\nThe database is named by DATABASE_URL; without it an embedded one in ./message-gc-data is used.\nAll options of the environment: message-gc config\nExit codes: ${Object.entries(
        exitCodes,
      )
        .map(([reason, code]) => `${code} ${reason}`)
        .join(', ')}`,
    )
    .showSuggestionAfterError()
    .exitOverride();
  // Whoever reads has read enough (`| head`): that is no defect of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  for (const name of commandsFor(argv[2])) {
    const { register } = (await import(`./commands/${name}.js`)) as { register: (program: Command) => void };
    register(program);
  }
  for (const command of program.commands) command.exitOverride().showSuggestionAfterError();
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = explain(error, argv.includes('--json'));
  }
}

/** The one that is called; all of them for help, and for a word that is none of them but may be like one. */
function commandsFor(word: string | undefined): readonly string[] {
  if (word === '--version' || word === '-V') return [];
  const called = commands.filter((name) => name === word);
  return called.length > 0 ? called : commands;
}

function explain(error: unknown, json: boolean): number {
  // Commander has written its own words (help, version, a wrong option) already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.configuration;
  const reason = reasonOf(error);
  const isExpected = error instanceof Refusal || error instanceof StoreError;
  const message = error instanceof StoreError ? `Could not ${error.doing}: ${error.message}` : wordsOf(error);
  // A stack is for defects: what a database refuses is nothing that a line of ours could tell more about.
  const words = isExpected || !(error instanceof Error) ? message : (error.stack ?? message);
  if (json) process.stdout.write(`${JSON.stringify({ error: { reason, message } })}\n`);
  process.stderr.write(`message-gc: ${words}\n`);
  return exitCodes[reason];
}

function reasonOf(error: unknown): ExitReason {
  if (error instanceof Refusal) return error.reason;
  return error instanceof StoreError && error.kind === 'unreachable' ? 'unreachable' : 'failed';
}
