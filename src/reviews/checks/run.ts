import { checkDependencies } from './dependencies.ts';
import { checkObfuscation } from './obfuscation.ts';
import { checkPolicy } from './policy.ts';
import { checkScopes } from './scopes.ts';
import { checkSecrets } from './secrets.ts';
import { checkSecureResources } from './secure-resources.ts';
import { reportOf } from './report.ts';
import { checkNames, notRun, type CheckName, type Material, type Outcome, type Report } from './types.ts';

const ofFiles: readonly CheckName[] = ['csp_valid', 'https_only', 'no_credentials', 'no_obfuscation'];

const checks: Readonly<Record<CheckName, (material: Material) => Outcome | Promise<Outcome>>> = {
  csp_valid: checkPolicy,
  https_only: checkSecureResources,
  no_credentials: checkSecrets,
  no_obfuscation: checkObfuscation,
  dependencies_clean: checkDependencies,
  scopes_justified: checkScopes,
};

/** A check that fails to run, or whose material is missing, says so; nothing that was not looked at counts as clean. */
async function outcomeOf(name: CheckName, material: Material): Promise<Outcome> {
  if (ofFiles.includes(name) && Object.keys(material.files).length === 0) return notRun(material.missing ?? 'there was nothing to look at');
  try {
    const outcome = await checks[name](material);
    if (outcome.result === true && ofFiles.includes(name) && material.skipped.length > 0) return notRun(`too large to look at: ${material.skipped.join(', ').slice(0, 200)}`);
    return outcome;
  } catch (error) {
    return notRun(`the check failed: ${(error as Error).message.slice(0, 200)}`);
  }
}

export async function runChecks(material: Material): Promise<Report> {
  const outcomes: [CheckName, Outcome][] = [];
  for (const name of checkNames) outcomes.push([name, await outcomeOf(name, material)]);
  return reportOf(outcomes);
}
