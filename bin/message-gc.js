#!/usr/bin/env node
// The thin door: everything lives in dist/ (npm run build), made from src/ by tsc.
import { setFlagsFromString } from 'node:v8';

// The young generation stays at its first size (2 MiB instead of up to 32, measured on Node 20, 22 and 24): a run of
// hours makes only short-lived objects, and its memory must not grow with the table. `--max-semi-space-size` would
// be read before this line only; the growth factor is read at each growth.
setFlagsFromString('--semi-space-growth-factor=1');

const { main } = await import('../dist/cli/main.js').catch((cause) => {
  if (cause.code !== 'ERR_MODULE_NOT_FOUND') throw cause;
  console.error(`message-gc is not built (${cause.message}). Run: npm run build`);
  process.exit(2);
});
await main(process.argv);
