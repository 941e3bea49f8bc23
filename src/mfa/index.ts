export { createMfaAdministration, type MfaAdministration } from './administration.ts';
export { purgeExpiredMfa } from './challenge-repo.ts';
export type { ChallengeAnswer, ChallengeOnWire, Challenges, Requirement } from './challenges.ts';
export { readAuthProof, readEvidence, requireAuthProof } from './evidence.ts';
export { createMfa, type Mfa, type MfaOptions } from './mfa.ts';
export type { MethodOnWire } from './methods.ts';
export { readThresholds, type MfaReason } from './policy.ts';
export { mfaRoutes, requesterOfSession } from './routes.ts';
export type { ActionTerms, Evidence, Method, PaymentTerms, Proof, Terms } from './types.ts';
