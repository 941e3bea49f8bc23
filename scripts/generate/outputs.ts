import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderConfigDocumentation, renderConfigSample, renderConfigTypes } from './config.ts';

/** What is made from what. A new kind of output is one more line here, and a function from source text to text. */
const outputs: readonly { readonly input: string; readonly output: string; readonly render: (source: string) => string | Promise<string> }[] = [
  { input: 'schema/config.json', output: 'src/generated/config.ts', render: renderConfigTypes },
  { input: 'schema/config.json', output: 'config/config.sample.yaml', render: renderConfigSample },
  { input: 'schema/config.json', output: 'docs/configuration.md', render: renderConfigDocumentation },
];

export interface Output {
  /** From the top of the repository. */
  readonly name: string;
  readonly path: string;
  readonly rendered: string;
  /** What is there now. */
  readonly committed: string | undefined;
}

const root = join(import.meta.dirname, '../..');

/** Renders every output, beside what is in the working tree. */
export async function renderOutputs(): Promise<Output[]> {
  return Promise.all(
    outputs.map(async ({ input, output, render }) => {
      const path = join(root, output);
      const rendered = await render(readFileSync(join(root, input), 'utf8'));
      return { name: output, path, rendered, committed: existsSync(path) ? readFileSync(path, 'utf8') : undefined };
    }),
  );
}

/** Where a file differs first, and by how many lines it grew or shrank. */
export function describeDifference({ name, committed, rendered }: Output): string {
  if (committed === undefined) return `${name}: missing`;
  const [before, after] = [committed.split('\n'), rendered.split('\n')];
  const at = after.findIndex((line, index) => line !== before[index]);
  const line = at === -1 ? after.length : at;
  return `${name}: ${before.length} lines committed, ${after.length} generated; first difference in line ${line + 1}\n  - ${before[line] ?? '(end)'}\n  + ${after[line] ?? '(end)'}`;
}
