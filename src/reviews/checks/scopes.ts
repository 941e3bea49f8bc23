import { verdictOf, type Material, type Outcome } from './types.ts';

const shortest = 20;

/** Whoever asks for what users must be asked for says why, in a sentence. */
export const checkScopes = ({ sensitiveScopes, scopeJustifications }: Material): Outcome =>
  verdictOf(
    sensitiveScopes
      .filter((scope) => (Object.hasOwn(scopeJustifications, scope) ? scopeJustifications[scope]!.trim().length : 0) < shortest)
      .map((scope) => ({ type: 'SCOPE_NOT_JUSTIFIED', file: 'metadata', severity: 'medium' as const, message: `${scope} is asked for without a reason`, fix: `"scope_justifications": { "${scope}": "What users get from it" }` })),
  );
