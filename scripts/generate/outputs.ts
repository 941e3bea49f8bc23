import { existsSync, readFileSync, statSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { renderConfigDocumentation, renderConfigSample, renderConfigTypes } from './config.ts';
import { renderEventTypes } from './events.ts';

/** What is made from what. A new kind of output is one more line here, and a function from source text to text. */
const outputs: readonly { readonly input: string; readonly output: string; readonly render: (...sources: string[]) => string | Promise<string> }[] = [
  { input: 'schema/config.json', output: 'src/generated/config.ts', render: renderConfigTypes },
  { input: 'schema/config.json', output: 'config/config.sample.yaml', render: renderConfigSample },
  { input: 'schema/config.json', output: 'docs/configuration.md', render: renderConfigDocumentation },
  { input: 'schema/events', output: 'src/generated/events.ts', render: (...sources) => renderEventTypes(sources) },
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

/** The file, or every file of the folder in the order of their names. */
function readSources(path: string): string[] {
  if (!statSync(path).isDirectory()) return [readFileSync(path, 'utf8')];
  return readdirSync(path).sort().map((name) => readFileSync(join(path, name), 'utf8'));
}

/** Renders every output, beside what is in the working tree. */
export async function renderOutputs(): Promise<Output[]> {
  return Promise.all(
    outputs.map(async ({ input, output, render }) => {
      const path = join(root, output);
      const rendered = await render(...readSources(join(root, input)));
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
