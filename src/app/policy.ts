import type { Config } from '../config/read-config.js';
import { ownMapping } from '../core/mapping.js';
import type { Policy } from '../core/policy.js';

/** The policy that this configuration means: what a run freezes. */
export function policyOf(config: Config): Policy {
  return { mapping: config.mapping ?? ownMapping, retentionSeconds: config.retentionSeconds };
}
