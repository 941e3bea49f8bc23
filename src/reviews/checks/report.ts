import { checkNames, notRun, type CheckName, type CheckResult, type Finding, type Outcome, type Report } from './types.ts';

const maxFindings = 200;

export function reportOf(outcomes: readonly (readonly [CheckName, Outcome])[]): Report {
  const results: Partial<Record<CheckName, CheckResult>> = {};
  const reasons: Partial<Record<CheckName, string>> = {};
  const warnings: Finding[] = [];
  for (const [name, { result, findings, why }] of outcomes) {
    results[name] = result;
    if (why !== undefined) reasons[name] = why;
    warnings.push(...findings);
  }
  return { checks: results as Report['checks'], warnings: warnings.slice(0, maxFindings), not_run: reasons };
}

/** Nothing could be looked at at all. */
export const blankReport = (why: string): Report => reportOf(checkNames.map((name) => [name, notRun(why)] as const));
