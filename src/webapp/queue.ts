import { ApiError } from './api-error.js';

/**
 * Lets at most `width` tasks run at once, the rest in order of arrival. More than `longest` waiting are refused:
 * a queue that only grows would answer everybody too late.
 */
export class Queue {
  readonly #width: number;
  readonly #longest: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number, longest: number) {
    this.#width = width;
    this.#longest = longest;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) {
      if (this.#waiting.length >= this.#longest) {
        throw new ApiError(
          1016,
          `${this.#waiting.length} requests of this kind wait already; try again in a few seconds`,
          {
            headers: { 'retry-after': '5' },
          },
        );
      }
      // The one who leaves hands its place over, so `#running` does not change here.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
