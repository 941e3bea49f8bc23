export { createAudit, createAuditRecorder, sealingKind, type Audit, type AuditRecord, type RecordAudit } from './audit.ts';
export { toWire, type AuditParty } from './entry.ts';
export { findChain, listSealed, searchSealed } from './repo.ts';
export { auditRoutes } from './routes.ts';
export { verifyAudit, type AuditVerdict, type KnownHead } from './verify.ts';
