/** What a check found, and how to mend it. */
export interface Finding {
  /** `skipped` could not be looked at, because of what another check found. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly summary: string;
  readonly mend?: string;
}

/** One thing that is looked at. What it throws is reported as a failure. */
export interface Check<Subject> {
  readonly name: string;
  readonly look: (subject: Subject) => Finding | Promise<Finding>;
}

export type NamedFinding = Finding & { readonly name: string };

export const ok = (summary: string): Finding => ({ status: 'ok', summary });
export const warning = (summary: string, mend: string): Finding => ({ status: 'warning', summary, mend });
export const failed = (summary: string, mend: string): Finding => ({ status: 'failed', summary, mend });
export const skipped = (summary: string): Finding => ({ status: 'skipped', summary });
