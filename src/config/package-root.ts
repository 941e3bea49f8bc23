import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where registration.yaml and config/ are: beside package.json, whether run from src/ or built into dist/src/. */
export function packageRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json')) && dirname(directory) !== directory) directory = dirname(directory);
  return directory;
}
