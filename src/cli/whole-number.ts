import { InvalidArgumentError } from 'commander';
import { durationSeconds } from '../config/duration.js';

/** An option's value as a whole number of at least `least`, or words that say what was expected. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text.replaceAll('_', ''));
    if (!/^[\d_]+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** `90s`, `45m`, `12h`, `1d` as seconds. */
export function duration(text: string): number {
  const seconds = durationSeconds(text);
  if (seconds === null || seconds === 0)
    throw new InvalidArgumentError('Expected a number with its unit: 90s, 45m, 12h or 1d.');
  return seconds;
}
