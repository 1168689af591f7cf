import { type SignalChoice, type SignalChoices, type SignalName, signalNames } from '../core/signals.js';
import { nearestName } from '../kit/nearest-name.js';

/**
 * `MESSAGE_GC_SIGNALS`: `canary=off,replica_lag=30,own_check=optional`; a signal may be named twice
 * (`replica_lag=30,replica_lag=optional`). Problems found are added to `problems`.
 */
export function readSignalChoices(text: string, problems: string[]): SignalChoices {
  const choices: Partial<Record<SignalName, SignalChoice>> = {};
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const [name = '', value = '', ...more] = part.split('=').map((one) => one.trim());
    if (!isSignal(name)) {
      const nearest = nearestName(name, signalNames);
      const hint =
        nearest === null ? `expected one of ${signalNames.join(', ')}` : `did you mean ${nearest}?`;
      problems.push(`MESSAGE_GC_SIGNALS names "${name}", which is no signal; ${hint}`);
      continue;
    }
    const choice = more.length > 0 ? null : choiceOf(value);
    if (choice === null) {
      problems.push(
        `MESSAGE_GC_SIGNALS says "${part}", expected ${name}=off, ${name}=optional or ${name}=<limit, a number above 0>`,
      );
      continue;
    }
    const both = { ...choices[name], ...choice };
    if (both.off === true && Object.keys(both).length > 1) {
      problems.push(`MESSAGE_GC_SIGNALS says ${name}=off and more of it; expected one of them`);
      continue;
    }
    choices[name] = both;
  }
  return choices;
}

function choiceOf(value: string): SignalChoice | null {
  if (value === 'off') return { off: true };
  if (value === 'optional') return { optional: true };
  const limit = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  return limit > 0 && Number.isFinite(limit) ? { limit } : null;
}

function isSignal(name: string): name is SignalName {
  return (signalNames as readonly string[]).includes(name);
}
