import { errorText } from '../../kernel/errors.ts';
import { failed, skipped, type Check, type NamedFinding } from './check.ts';
import { examineConfiguration } from './configuration.ts';
import { homeserverChecks } from './homeserver.ts';
import { storageChecks } from './storage.ts';
import { withSubject, type Subject } from './subject.ts';

export type { NamedFinding } from './check.ts';

const checks: readonly Check<Subject>[] = [...storageChecks, ...homeserverChecks];

async function run({ name, look }: Check<Subject>, subject: Subject): Promise<NamedFinding> {
  try {
    return { name, ...(await look(subject)) };
  } catch (error) {
    return { name, ...failed(errorText(error), 'this was not foreseen: see the message') };
  }
}

/** Looks at everything, one after another, and changes nothing. */
export async function examine(configFile: string | undefined): Promise<NamedFinding[]> {
  const { config, registration, findings } = examineConfiguration(configFile);
  if (config === undefined) return [...findings, ...checks.map(({ name }) => ({ name, ...skipped('needs the configuration') }))];
  return withSubject(config, registration, async (subject) => {
    const found = [...findings];
    for (const check of checks) found.push(await run(check, subject));
    return found;
  });
}
