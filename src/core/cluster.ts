import { createHmac } from 'node:crypto';
import type { ClusterObstacles } from './ports.js';

/**
 * What a store keeps of the cluster that it belongs to. Two secrets can be told apart by it; neither can be read from it,
 * and the same secret looks different in another store.
 */
export function clusterFingerprint(secret: string, storeId: string): string {
  return createHmac('sha256', secret).update(storeId).digest('hex').slice(0, 16);
}

/** Whether something is going on that another cluster must not touch: its nodes, its run, its callbacks. */
export function isBusy({ nodes, run, callbacks }: ClusterObstacles): boolean {
  return nodes.length > 0 || run !== null || callbacks > 0;
}

/** What is going on, in words. */
export function busyWords({ nodes, run, callbacks }: ClusterObstacles): string {
  const words: string[] = [];
  if (nodes.length > 0) words.push(`${nodes.join(', ')} ${nodes.length === 1 ? 'is' : 'are'} alive`);
  if (run !== null) words.push(`run ${run} is not over`);
  if (callbacks > 0) words.push(callbacks === 1 ? '1 callback waits' : `${callbacks} callbacks wait`);
  return words.join('; ');
}
