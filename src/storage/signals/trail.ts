/** Two hours of one note a second; of what is older only "longer than that" is known. */
const longest = 7_200;

/**
 * Where a counter that only grows (a position in the log, a transaction number) stood when. So it can be told how
 * long ago something that stands at an older position was left behind, without asking its clock.
 */
export class Trail {
  readonly #notes: { readonly position: number; readonly at: number }[] = [];

  /** Milliseconds of any clock that only goes forward, here and below. */
  note(position: number, at: number): void {
    const last = this.#notes.at(-1);
    // After a fail-over the counter may be lower; what was noted is another server's.
    if (last !== undefined && position < last.position) this.#notes.length = 0;
    else if (last?.position === position) return;
    this.#notes.push({ position, at });
    if (this.#notes.length > longest) this.#notes.shift();
  }

  /**
   * Milliseconds since the counter was first seen beyond `position`; 0 when it has not been. At least so long: what
   * happened before the first note is not known.
   */
  behindMs(position: number, now: number): number {
    const passed = this.#notes.find((note) => note.position > position);
    return passed === undefined ? 0 : now - passed.at;
  }
}
