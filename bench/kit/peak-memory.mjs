// Loaded into a measured process with --import: writes the largest resident size that it had, in KiB, at its end.
import { writeFileSync } from 'node:fs';

const file = process.env.BENCH_PEAK_MEMORY_FILE;
process.on('exit', () => {
  if (file !== undefined) writeFileSync(file, String(process.resourceUsage().maxRSS));
});
