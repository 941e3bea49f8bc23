export { createIdempotency, type Idempotency, type KeyedRequest, type Steps } from './idempotency.ts';
