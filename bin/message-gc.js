#!/usr/bin/env node
// The thin door: everything lives in dist/ (npm run build), made from src/ by tsc.
const { main } = await import('../dist/cli/main.js').catch((cause) => {
  if (cause.code !== 'ERR_MODULE_NOT_FOUND') throw cause;
  console.error(`message-gc is not built (${cause.message}). Run: npm run build`);
  process.exit(2);
});
await main(process.argv);
