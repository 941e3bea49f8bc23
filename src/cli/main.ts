#!/usr/bin/env node
// What this program writes (database, keys, registration, backups) is its owner's alone.
process.umask(0o077);

const { reportFailure } = await import('./failure.ts');
const { buildProgram } = await import('./program.ts');

// "tmcp queue list | head -1": the reader has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await buildProgram().parseAsync();
} catch (error) {
  // Not left to the event loop: what a failed start has opened would keep the process alive.
  process.exit(reportFailure(error));
}
