import { packageVersion } from './package-version.js';

/** What every answer carries beside its payload. Real clients look for the `v` before the number. */
export type Meta = { readonly version: string; readonly api_status: 'stable' };

export const meta: Meta = { version: `v${packageVersion}`, api_status: 'stable' };
