import { isoTime } from '../kernel/clock.ts';
import { asUserId, sha256Hex } from '../kernel/ids.ts';
import { findPendingConsent, markAnswered, type ConsentRequest } from './consent-repo.ts';
import { rememberDecision } from './decision.ts';
import type { OAuthParts } from './deps.ts';
import { OAuthError } from './oauth-error.ts';
import { proveUser } from './prove.ts';
import { scopeDefinitions } from './scopes.ts';
import { needsStepUp, StepUpRefused, takeStepUp, type StepUpMethod, type StepUpProof } from './step-up.ts';

interface DescribedScope {
  readonly scope: string;
  readonly description: string;
  readonly sensitivity: string;
}

/** What a native client shows the user (section 4.3.1, "Consent Flow Requirements"). */
export interface ConsentQuestion {
  readonly title: string;
  readonly app: { readonly miniapp_id: string; readonly client_id: string; readonly name: string; readonly developer?: string; readonly classification: string; readonly verified: boolean };
  readonly user_id: string;
  readonly requested_scopes: readonly DescribedScope[];
  readonly approved_scopes: readonly DescribedScope[];
  /** With one of these the user must confirm critical scopes: `auth_proof` beside the answer. */
  readonly mfa_methods?: readonly StepUpMethod[];
  readonly expires_at: string;
}

export interface ConsentAnswer {
  readonly approved_scopes: readonly string[];
  readonly denied_scopes: readonly string[];
}

/** Questions for consent, answered by a native client that shows the user's own Matrix access token (decision D4). */
export interface Consent {
  /** Throws OAuthError: 401 for a bad Matrix token, 403 for another user's, 404 for a question that is not open. */
  question(consentSession: string, matrixToken: string): Promise<ConsentQuestion>;
  /**
   * Remembers the answer for every scope that was asked. Throws as above, 400 when more is approved than was asked, 403 with
   * `mfa_methods` when a second factor is missing or wrong, 429 when it is locked.
   */
  answer(consentSession: string, matrixToken: string, answer: { readonly approvedScopes: readonly string[]; readonly authProof?: unknown }): Promise<ConsentAnswer>;
}

const describe = (scopes: readonly string[]): DescribedScope[] =>
  scopes.map((scope) => ({ scope, description: scopeDefinitions[scope]?.description ?? scope, sensitivity: scopeDefinitions[scope]?.sensitivity ?? 'high' }));

const notOpen = (): OAuthError => new OAuthError(404, 'invalid_request', 'This consent request is unknown, answered or too old');

/** A second factor that is missing or wrong, in the form of RFC 6749. */
async function withStepUp<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StepUpRefused)) throw error;
    const told = new OAuthError(error.status, error.status === 429 ? 'rate_limit_exceeded' : 'access_denied', error.message, { mfa_methods: error.methods });
    told.retryAfterSeconds = error.retryAfterSeconds;
    throw told;
  }
}

export function createConsent(parts: OAuthParts): Consent {
  const { database, clock, clients, proof, log } = parts;

  /** The open question, once the caller has shown the user's own hand: knowing the session id approves nothing. */
  const openFor = async (consentSession: string, matrixToken: string): Promise<ConsentRequest> => {
    const user = await proveUser(proof, log, { token: matrixToken, tokenType: 'access_token', presentedBy: 'user' });
    const request = await findPendingConsent(database, sha256Hex(consentSession), clock.now());
    if (request === undefined) throw notOpen();
    if (request.userId !== user.userId) throw new OAuthError(403, 'access_denied', 'Another user was asked');
    return request;
  };

  return {
    async question(consentSession, matrixToken) {
      const request = await openFor(consentSession, matrixToken);
      const client = await clients.findClient(request.clientId);
      if (client === undefined) throw notOpen();
      const { miniappId, clientId, name, developerName, classification } = client;
      const methods = request.askedScopes.some(needsStepUp) ? await parts.stepUp.methodsOf(asUserId(request.userId)) : [];
      return {
        title: `Allow ${name}?`,
        app: { miniapp_id: miniappId, client_id: clientId, name, ...(developerName === undefined ? {} : { developer: developerName }), classification, verified: classification === 'official' || classification === 'verified' },
        user_id: request.userId,
        requested_scopes: describe(request.askedScopes),
        approved_scopes: describe(request.heldScopes),
        ...(methods.length === 0 ? {} : { mfa_methods: methods }),
        expires_at: isoTime(request.expiresAt),
      };
    },
    async answer(consentSession, matrixToken, { approvedScopes, authProof }) {
      const request = await openFor(consentSession, matrixToken);
      const beyond = approvedScopes.find((scope) => !request.askedScopes.includes(scope));
      if (beyond !== undefined) throw new OAuthError(400, 'invalid_scope', `Scope '${beyond}' was not asked for`, { scope: beyond });
      const approved = request.askedScopes.filter((scope) => approvedScopes.includes(scope));
      const denied = request.askedScopes.filter((scope) => !approvedScopes.includes(scope));
      const who = { userId: asUserId(request.userId), miniappId: request.miniappId };
      const record = (proof: StepUpProof): Promise<void> =>
        database.inTransaction(async (tx) => {
          const now = clock.now();
          if (!(await markAnswered(tx, request.idHash, now))) throw notOpen();
          await proof.spend(tx);
          await rememberDecision(tx, parts, who, { approved, denied });
        });
      await withStepUp(async () => record(await takeStepUp(parts.stepUp, who, approved, authProof)));
      return { approved_scopes: approved, denied_scopes: denied };
    },
  };
}
