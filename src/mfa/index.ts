export { createMfa, type Mfa, type MfaOptions } from './mfa.ts';
export { readAuthProof, readEvidence } from './evidence.ts';
export { mfaRoutes } from './routes.ts';
export type { ActionTerms, Evidence, Method, PaymentTerms, Proof, Terms } from './types.ts';
