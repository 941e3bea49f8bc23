export { loadContract, fieldProblems, type Contract, type Operation } from './contract.ts';
export { answer, apiRouter, principalOf, TextStream, type ApiAnswer, type ApiOptions, type ApiRequest, type Routes } from './api.ts';
export { JsonText } from '../kernel/json-text.ts';
export type { AdminPrincipal, Authenticators, ClientPrincipal, DeveloperPrincipal, MatrixPrincipal, PlatformPrincipal, Principal, SessionPrincipal } from './access.ts';
export { loadEventSchemas } from './event-schemas.ts';
export { errorBody, errorHandler } from './errors.ts';
export { createGateway } from './gateway.ts';
export { exempt, otherwise, type RequestLimits } from './limits.ts';
