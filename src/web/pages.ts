/** The pages that people see: each a pure function from what it shows to a whole HTML document. Send them with pageHeaders(). */
export { consentPage } from './consent.ts';
export { developerPage } from './developer.ts';
export { deviceCodePage, deviceConfirmPage } from './device.ts';
export { pageHeaders, type PageHeaderOptions } from './headers.ts';
export { donePage, errorPage } from './message.ts';
export type * from './models.ts';
export { findScopeWords, scopeWords, type ScopeWords } from './scope-words.ts';
export { referencePage, type OperationModel, type ReferenceModel } from './reference.ts';
export { sessionsPage } from './sessions.ts';
export { signInPage } from './sign-in.ts';
