/** Something with a lifetime. `stop` may be called at any time and more than once; it resolves when all is closed. */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}
