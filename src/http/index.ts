export { loadContract, fieldProblems, type Contract, type Operation } from './contract.ts';
export { answer, apiRouter, principalOf, TextStream, type ApiAnswer, type ApiRequest, type Routes } from './api.ts';
export { JsonText } from '../kernel/json-text.ts';
export type { AdminPrincipal, Authenticators, ClientPrincipal, DeveloperPrincipal, MatrixPrincipal, PlatformPrincipal, Principal, SessionPrincipal } from './access.ts';
export { loadEventSchemas } from './event-schemas.ts';
export { errorBody, errorHandler, notFound } from './errors.ts';
export { cors, identifyRequests, securityHeaders, type RequestObserver } from './requests.ts';
export type { FilePart, FileSink, MultipartLimits } from './multipart.ts';
