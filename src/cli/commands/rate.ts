import { type Command, InvalidArgumentError, Option } from 'commander';
import { Refusal } from '../../core/errors.js';
import { type PaceName, paceNames } from '../../core/pace.js';
import { highestRate, type SteerChange } from '../../core/ports.js';
import { formatCount } from '../output.js';
import { byOption, noteIfNobodyWorks, onActiveRun, type SteerOptions, steering } from '../steering.js';

type Options = SteerOptions & { readonly profile?: PaceName | 'own' };

export function register(program: Command): void {
  program
    .command('rate')
    .description(
      'Change how fast the run that is on may go: a limit for all nodes together, or another profile.',
    )
    .argument('[limit]', 'messages a second, or "off"', limitOf)
    .addOption(
      new Option('--profile <name>', 'the profile of this run; own: each node has its own again').choices([
        ...paceNames,
        'own',
      ]),
    )
    .option(...byOption)
    .option('--json', 'print the run as one JSON line')
    .action((limit: number | null | undefined, options: Options) => {
      const { profile } = options;
      if (limit === undefined && profile === undefined) {
        throw new Refusal(
          'configuration',
          'Say what is to change: a limit ("message-gc rate 20000"), "off", or --profile with a profile',
        );
      }
      const change: SteerChange = {
        ...(limit === undefined ? {} : { maxRate: limit }),
        ...(profile === undefined ? {} : { profile: profile === 'own' ? null : profile }),
      };
      const body = {
        ...(change.maxRate === undefined ? {} : { max_rows_per_second: change.maxRate }),
        ...(change.profile === undefined ? {} : { profile: change.profile }),
      };
      return onActiveRun(options, { method: 'PATCH', body }, steering(change), async (run, output, store) => {
        const { maxRate, profile: inForce, pausedBy } = run.steering;
        output.print(
          `run ${run.id}: ${maxRate === null ? 'no rate limit' : `at most ${formatCount(maxRate)} rows/s`}, ${inForce === null ? 'the profile of each node' : `profile ${inForce}`}`,
        );
        if (pausedBy !== null)
          output.print(`  it is paused by ${pausedBy}; "message-gc resume" lets it go on`);
        await noteIfNobodyWorks(store, output);
      });
    });
}

function limitOf(text: string): number | null {
  if (text === 'off') return null;
  const limit = Number(text.replaceAll('_', ''));
  if (/^[\d_]+$/.test(text) && limit >= 1 && limit <= highestRate) return limit;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${highestRate}, or "off".`);
}
