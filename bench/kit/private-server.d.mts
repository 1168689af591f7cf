export type PrivateServer = {
  readonly url: string;
  readonly pid: number;
  crash(): Promise<void>;
  startAgain(): Promise<void>;
  stop(): Promise<void>;
};
export function startPrivateServer(options: {
  readonly isDurable: boolean;
  readonly standbyOf?: string;
  readonly settings?: readonly string[];
}): Promise<PrivateServer>;
/** Throws with words when no server is installed. */
export function findPrograms(): { path(name: string): string };
