import { StoreError } from '../../../core/errors.js';

/** The words of a probe that met a missing privilege; other trouble keeps its own. */
export async function unlessDenied(
  privilege: string,
  probe: () => Promise<string | null>,
): Promise<string | null> {
  try {
    return await probe();
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'denied') throw error;
    return `the user has not the privilege ${privilege} (GRANT ${privilege} ON *.* TO it)`;
  }
}
