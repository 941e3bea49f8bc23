import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as storage from '../../../../src/storage/index.ts';
import { temporaryDirectory } from '../../../support/temporary.ts';

type Module = typeof storage;

/** A mistake that the sync test must notice: texts of one file, each of which must be there once, and what stands there instead. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly changes: readonly (readonly [from: string, to: string])[];
}

export const mutants: readonly Mutant[] = [
  { name: 'a tombstone that is lost when a write is judged', file: 'repo.ts', changes: [['WHERE e.space_id = ? AND e.key = ?`', 'WHERE e.space_id = ? AND e.key = ? AND e.deleted_at IS NULL`']] },
  { name: 'a tombstone that is lost in the feed', file: 'repo.ts', changes: [['WHERE space_id = ? AND rev > ? ORDER BY rev LIMIT ?', 'WHERE space_id = ? AND rev > ? AND deleted_at IS NULL ORDER BY rev LIMIT ?']] },
  { name: 'an expiry that leaves no trace in the feed', file: 'repo.ts', changes: [['SET rev = ? + d.n,', 'SET rev = rev + 0 * (? + d.n),']] },
  { name: 'a clock that is believed however far it is ahead', file: 'decide.ts', changes: [['Math.min(proposal.clientAt, now + maxClockLeadMs)', 'proposal.clientAt']] },
  { name: "a conditional write that counts by its writer's clock", file: 'decide.ts', changes: [["{ kind: 'apply', writtenAt: byClock ?? now };\n}", "{ kind: 'apply', writtenAt: Math.min(proposal.clientAt ?? now, now + maxClockLeadMs) };\n}"]] },
  { name: 'a replay that is done again', file: 'mutation-repo.ts', changes: [['return row === undefined ? undefined :', 'return row === undefined || mutationId !== null ? undefined :']] },
  {
    name: 'a quota that is looked at before the transaction',
    file: 'writes.ts',
    changes: [
      ['import { buryExpired, lockSpace, saveSpace }', 'import { buryExpired, findSpace, lockSpace, saveSpace }'],
      ['const writeAll = async (tx: Transaction, caller: Caller, writes: readonly Prepared[], atomic: boolean)', 'const writeAll = async (tx: Transaction, caller: Caller, writes: readonly Prepared[], atomic: boolean, seen: { bytes: number; keys: number } | undefined)'],
      ['    const before = { ...space };\n', '    const before = { ...space };\n    if (seen !== undefined) Object.assign(space, { bytes: seen.bytes, keys: seen.keys });\n'],
      ['      const prepared = writes.map', '      const seen = await findSpace(database, caller);\n      const prepared = writes.map'],
      ['writeAll(tx, caller, prepared, atomic)', 'writeAll(tx, caller, prepared, atomic, seen)'],
    ],
  },
];

const source = join(import.meta.dirname, '../../../../src');

/** The storage with this mistake in it, beside everything else as it is. Throws when the text that it replaces is not there once. */
export async function loadMutant({ name, file, changes }: Mutant): Promise<Module> {
  const directory = temporaryDirectory('mutant');
  mkdirSync(join(directory, 'src'));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  for (const entry of readdirSync(source)) if (entry !== 'storage') symlinkSync(join(source, entry), join(directory, 'src', entry));
  cpSync(join(source, 'storage'), join(directory, 'src/storage'), { recursive: true });
  const path = join(directory, 'src/storage', file);
  let text = readFileSync(path, 'utf8');
  for (const [from, to] of changes) {
    if (text.split(from).length !== 2) throw new Error(`${name}: ${JSON.stringify(from)} is not once in ${file}`);
    text = text.replace(from, () => to);
  }
  writeFileSync(path, text);
  return (await import(pathToFileURL(join(directory, 'src/storage/index.ts')).href)) as Module;
}
