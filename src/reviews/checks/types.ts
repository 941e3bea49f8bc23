/** `not_run`: nobody looked, which is not the same as nothing found. */
export type CheckResult = boolean | 'not_run';
export const checkNames = ['csp_valid', 'https_only', 'no_credentials', 'no_obfuscation', 'dependencies_clean', 'scopes_justified'] as const;
export type CheckName = (typeof checkNames)[number];

export interface Finding {
  readonly type: string;
  readonly file: string;
  /** From 1; absent where it is the file as a whole. */
  readonly line?: number;
  readonly severity: 'low' | 'medium' | 'high' | 'critical';
  readonly message: string;
  /** The header or line that mends it. */
  readonly fix?: string;
}

export interface Outcome {
  readonly result: CheckResult;
  readonly findings: readonly Finding[];
  /** Why it was not run. */
  readonly why?: string;
}

export interface Report {
  readonly checks: Readonly<Record<CheckName, CheckResult>>;
  readonly warnings: readonly Finding[];
  readonly not_run: Readonly<Partial<Record<CheckName, string>>>;
}

/** What is looked at: files of the bundle, or what was fetched. */
export interface Material {
  /** Text by name. Binary files are left out. */
  readonly files: Readonly<Record<string, string>>;
  /** Why there are none. */
  readonly missing?: string;
  /** The page that opens first. */
  readonly entry: string;
  /** The policy in the entry page's own header, where it was fetched. */
  readonly policyHeader?: string;
  /** Origins of clients that may show it in a frame, in lower case without a slash. */
  readonly framing: readonly string[];
  /** Asked for, with their sensitivity; and why. */
  readonly sensitiveScopes: readonly string[];
  readonly scopeJustifications: Readonly<Record<string, string>>;
  /** OSV entries as JSON; undefined without a database. */
  readonly advisories?: readonly Advisory[];
  /** Text files too large to look at. */
  readonly skipped: readonly string[];
}

/** Of the OSV format, what is used. */
export interface Advisory {
  readonly id: string;
  readonly summary?: string;
  readonly affected?: readonly {
    readonly package?: { readonly ecosystem?: string; readonly name?: string };
    readonly versions?: readonly string[];
    readonly ranges?: readonly { readonly type?: string; readonly events?: readonly { readonly introduced?: string; readonly fixed?: string; readonly last_affected?: string }[] }[];
  }[];
}

export const verdictOf = (findings: readonly Finding[]): Outcome => ({ result: findings.length === 0, findings });
export const notRun = (why: string): Outcome => ({ result: 'not_run', findings: [], why });
