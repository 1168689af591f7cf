import type { Signals, SignalSources } from '../../../core/signals.js';
import { gather } from '../../signals/gather.js';
import type { Sessions } from '../session.js';

/** What PostgreSQL tells of its health. */
export function signalsOf(_sessions: Sessions, _sources: SignalSources): Signals {
  return { watch: (_policy, skipped) => gather([], skipped) };
}
