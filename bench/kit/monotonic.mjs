// One clock for all processes of the benchmark: milliseconds of the machine's monotonic clock. `performance.now()`
// begins anew in each process and thread.

export function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}
