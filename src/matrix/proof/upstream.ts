import type { HttpAnswer } from '../../security/http-request.ts';
import { ProofRefused, ProofUnavailable } from './proof.ts';

/** Time and size that identity servers get. */
export const upstreamLimits = { timeoutMs: 10_000, maxBytes: 64 * 1024 } as const;

const maxTokenLength = 4096;

/** RFC 6750's `b64token` and more: anything that can stand in a header. Anything else is no token of any homeserver. */
export function assertTokenSyntax(token: string): void {
  if (token.length > maxTokenLength || !/^[\x21-\x7e]+$/.test(token)) throw new ProofRefused('malformed_token');
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** The JSON object of a 2xx answer; whatever else arrives tells nothing about the token. */
export function jsonObject(answer: HttpAnswer, from: string): JsonObject {
  if (answer.status < 200 || answer.status > 299) throw new ProofUnavailable(`${from} answered ${answer.status}`);
  try {
    const value: unknown = JSON.parse(answer.body.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Told below, without quoting the body.
  }
  throw new ProofUnavailable(`${from} answered something that is not a JSON object`);
}

/** Runs a request; its failure means that nothing is known. */
export async function ask(from: string, send: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  try {
    return await send();
  } catch (error) {
    throw new ProofUnavailable(`${from} did not answer`, { cause: error });
  }
}
