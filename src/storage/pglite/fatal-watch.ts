/**
 * Reads along with what the engine answers and finds the error after which it is dead. A PostgreSQL server ends its
 * process after FATAL or PANIC; here nothing ends: the engine stays, answers every later statement with another
 * PANIC, and never says that it is ready again, so that a client would wait for ever (seen with a WAL file that
 * could not be made). Row contents cannot be mistaken for it, because messages are taken apart by their lengths.
 */
const errorResponse = 0x45; // 'E'
const severityField = 0x56; // 'V': the severity that is never translated
const headerBytes = 5; // type, and the length that counts itself but not the type

export class FatalWatch {
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes of a message without interest that are still to come. */
  #skip = 0;

  /** Words of the fatal error that ends in this chunk, else null. */
  read(chunk: Uint8Array): string | null {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#pending.length > 0) rest = Buffer.concat([this.#pending, rest]);
    this.#pending = Buffer.alloc(0);
    let fatal: string | null = null;
    while (rest.length > 0) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, rest.length);
        this.#skip -= skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      if (rest.length < headerBytes) break;
      const size = 1 + rest.readInt32BE(1);
      if (rest[0] !== errorResponse) {
        this.#skip = size;
        continue;
      }
      if (rest.length < size) break;
      fatal ??= fatalWords(rest.subarray(headerBytes, size));
      rest = rest.subarray(size);
    }
    // A copy: the chunk lies in memory that the engine writes to again.
    if (rest.length > 0) this.#pending = Buffer.from(rest);
    return fatal;
  }
}

function fatalWords(fields: Buffer): string | null {
  let severity = '';
  let words = '';
  for (const field of fields.toString('utf8').split('\0')) {
    if (field.charCodeAt(0) === severityField) severity = field.slice(1);
    if (field.startsWith('M')) words = field.slice(1);
  }
  return severity === 'FATAL' || severity === 'PANIC' ? `${severity}: ${words}` : null;
}
