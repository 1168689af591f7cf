export type LoadOptions = {
  readonly engine: 'postgresql' | 'mariadb';
  readonly url: string;
  readonly perSecond: number;
  readonly connections: number;
  readonly liveIds: readonly number[];
  readonly firstId: number;
};
export type LoadRecords = {
  readonly due: Float64Array;
  readonly took: Float64Array;
  readonly kind: Uint8Array;
  readonly inserted: number;
  readonly errors: Readonly<Record<string, number>>;
};
export function startForeground(
  options: LoadOptions,
): Promise<{ stop(): Promise<LoadRecords>; kill(): boolean }>;
