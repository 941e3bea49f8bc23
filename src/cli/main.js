#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// What this program writes (database, keys, registration, backups) is its owner's alone.
process.umask(0o077);

// From the second start on, TypeScript need not be read again: that spares a fifth of a second, and the memory of what reads it, which is why
// this one file is JavaScript. It is kept beside the program, where nobody else may write; where the program may not either, it goes without.
enableCompileCache(join(import.meta.dirname, '../../.cache/compiled'));

const { reportFailure } = await import('./failure.ts');
const { buildProgram } = await import('./program.ts');

// "tmcp queue list | head -1": the reader has what it wanted.
process.stdout.on('error', (/** @type {NodeJS.ErrnoException} */ error) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await buildProgram().parseAsync();
} catch (error) {
  // Not left to the event loop: what a failed start has opened would keep the process alive.
  process.exit(reportFailure(error));
}
