/**
 * Writes the files that are made from schema/: `npm run generate`.
 * With `--check` it writes nothing, says which committed files differ, and fails if any does.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeDifference, renderOutputs } from './generate/outputs.ts';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const stale = (await renderOutputs()).filter(({ committed, rendered }) => committed !== rendered);

for (const output of stale) {
  if (values.check) {
    console.error(describeDifference(output));
    continue;
  }
  mkdirSync(dirname(output.path), { recursive: true });
  writeFileSync(output.path, output.rendered);
  console.log(`wrote ${output.name}`);
}
if (values.check && stale.length > 0) {
  console.error(`${stale.length} generated file(s) differ from schema/: run \`npm run generate\` and commit.`);
  process.exitCode = 1;
}
