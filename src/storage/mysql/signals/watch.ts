import type { Signals, SignalSources } from '../../../core/signals.js';
import { gather } from '../../signals/gather.js';
import type { Sessions } from '../pool.js';
import { flowControl } from './flow-control.js';

/** What MariaDB and MySQL tell of their health. */
export function signalsOf(sessions: Sessions, _sources: SignalSources): Signals {
  return { watch: (_policy, skipped) => gather([flowControl(sessions)], skipped) };
}
